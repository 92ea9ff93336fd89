# What one can do here. `just` lists it; `uv run just` where just is not installed.

[private]
default:
    @just --list --unsorted

# Make the environment, with all that tests and benchmarks need
setup:
    uv sync --all-groups

# Start Springtide on the embedded broker
up *options:
    uv run springtide up {{options}}

# The same with a sample trade
demo *options:
    uv run springtide demo {{options}}

# Everything that has to pass
test: lint types contracts unit integration e2e drills

lint:
    uv run ruff check .
    uv run ruff format --check .

types:
    uv run mypy

# Imports point one way
contracts:
    uv run lint-imports

# Pure, in milliseconds: unit, property and contract tests, and the simulator's seeds
unit *options:
    uv run pytest tests --ignore tests/integration --ignore tests/e2e --ignore tests/drills {{options}}

# On a real broker
integration *options:
    uv run pytest tests/integration {{options}}

# What the API says of itself against what it answers, for some minutes: just schemathesis 200
schemathesis examples="100":
    SCHEMATHESIS_EXAMPLES={{examples}} SCHEMATHESIS_PHASES=examples,coverage,fuzzing,stateful uv run pytest tests/integration/test_schemathesis.py

# By the commands, as a user runs them
e2e *options:
    uv run pytest tests/e2e {{options}}

# Real processes killed, stopped and torn, a short one of each
drills *options:
    uv run pytest tests/drills {{options}}

# just bench engine | pipeline | hot-sku | latency | http | atp | orders | push | stream | views | recovery | memory
bench name *options:
    uv run --all-groups springtide bench {{name}} {{options}}

# Break things on purpose and prove that nothing is lost: just drill kill --kills 8 --seed 1
drill *options:
    uv run springtide drill {{options}}

# The deterministic simulator, a night's worth of seeds
simulate-long seeds="0:100000" jobs="2":
    uv run python -m springtide.app.simulation --seeds {{seeds}} --jobs {{jobs}}

# Take the pictures of the pages again, with Chromium
screenshots:
    uv run python docs/img/take.py
