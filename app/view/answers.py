"""Bodies of answers, made from a `World` alone: the HTTP API and `simulate` give the same ones.

`freshness` and `position` are not here; whoever reads the rows knows how far they stand.
"""

from __future__ import annotations

from typing import Any

from springtide.app.view.at_risk import at_risk_answer
from springtide.app.view.atp_answers import atp_answer, known_picture
from springtide.app.view.credit import credit_answer
from springtide.app.view.exceptions import actions_answer, exceptions_answer
from springtide.app.view.explain_atp import explain_atp
from springtide.app.view.explain_order import explain_order
from springtide.app.view.kpis import kpis_answer
from springtide.app.view.mismatches import mismatches_answer
from springtide.app.view.order_answers import order_answer, orders_answer, placed_order
from springtide.app.view.prices import price_answer
from springtide.app.view.problems import Problem, bad_request
from springtide.app.view.questions import (
    ActionsQuestion,
    AtpQuestion,
    AtRiskQuestion,
    CreditQuestion,
    ExceptionsQuestion,
    ExplainQuestion,
    KpisQuestion,
    MismatchesQuestion,
    OrderQuestion,
    OrdersQuestion,
    Question,
    ReconciliationQuestion,
    TimelineQuestion,
    parse_target,
)
from springtide.app.view.reconciliation import reconciliation_answer
from springtide.app.view.timeline import timeline
from springtide.app.view.world import Entities, World


def answer(target: str, world: World) -> tuple[int, dict[str, Any]]:
    """(status, body) for a path with its query; the body of an error is its problem."""
    try:
        return 200, body_of(parse_target(target), world)
    except Problem as problem:
        return problem.status, problem.body(target.partition("?")[0])


def body_of(question: Question, world: World) -> dict[str, Any]:
    """The answer to a question. Raises Problem."""
    if isinstance(question, AtpQuestion):
        rows, now_us = world.at(question.at).sku_rows(question.sku)
        return atp_answer(rows, now_us, question)
    if isinstance(question, OrderQuestion):
        return _order(question, world.at(question.at))
    if isinstance(question, TimelineQuestion):
        order, _ = world.order(question.order_id)
        return timeline(world, placed_order(order, question.order_id))
    if isinstance(question, OrdersQuestion):
        return orders_answer(world, question)
    if isinstance(question, ExplainQuestion):
        return _explain(question, world)
    if isinstance(question, AtRiskQuestion):
        return at_risk_answer(world, question)
    if isinstance(question, ActionsQuestion):
        return actions_answer(world, question)
    if isinstance(question, ExceptionsQuestion):
        return exceptions_answer(world, question)
    if isinstance(question, KpisQuestion):
        return kpis_answer(world, question)
    if isinstance(question, MismatchesQuestion | ReconciliationQuestion) and question.format != "json":
        raise bad_request(
            f"As {question.format} it is a file, which a running view answers.", "format", "not here"
        )
    if isinstance(question, ReconciliationQuestion):
        return reconciliation_answer(world, question)
    if isinstance(question, MismatchesQuestion):
        return mismatches_answer(world, question)
    if isinstance(question, CreditQuestion):
        return credit_answer(world, question.customer_id)
    return price_answer(world, question)


def _order(question: OrderQuestion, world: Entities) -> dict[str, Any]:
    order, now_us = world.order(question.order_id)
    plan = None if order is None else world.plan(order)
    return order_answer(order, question.order_id, now_us, plan)


def _explain(question: ExplainQuestion, world: World) -> dict[str, Any]:
    if question.order is not None:
        past = world.at(question.order.at)
        order, _ = past.order(question.order.order_id)
        return explain_order(past, placed_order(order, question.order.order_id))
    asked = question.atp
    assert asked is not None
    past = world.at(asked.at)
    rows, now_us = past.sku_rows(asked.sku)
    known_picture(rows, now_us, asked.sku, asked.location)
    return explain_atp(past, asked)
