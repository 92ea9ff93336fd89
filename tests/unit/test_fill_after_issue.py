"""Units that were issued ahead take no stock when their order gets its grant: they are there for who is behind."""

from domain import SkuStage

from springtide.codecs import facts as f


def test_what_a_grant_does_not_commit_goes_to_the_next_in_rank_at_once():
    # given o1 takes 4 from one place or none, and 2 of them have left already; o2 waits behind for 1
    tea = SkuStage()
    tea.counted(ber=3)
    tea.demand("o1", 4, placed_s=1, single=True)
    tea.fact(f.InventoryIssued(location="ber", qty=2, order_id="o1"))
    tea.demand("o2", 1, placed_s=2)
    assert (tea.has("o1"), tea.has("o2"), tea.figure("sellable", "ber")) == ({}, {}, 1)

    # when there are 4
    tea.fact(f.InventoryReceived(location="ber", qty=3))

    # then o1 has its 4 and commits 2, and of the other 2 o2 gets 1
    assert (tea.has("o1"), tea.lacks("o1")) == ({"ber": 4}, 0)
    assert (tea.has("o2"), tea.lacks("o2")) == ({"ber": 1}, 0)
    assert tea.figures("committed", "available_now", location="ber") == (3, 1)
