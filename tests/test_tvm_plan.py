"""The arena's planner: nothing overlaps, and little is wasted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.frameworks.tvm.plan import ALIGNMENT, Tenant, lower_bound, plan

TENANTS = st.lists(
    st.builds(
        lambda size, first, length: Tenant(size, first, first + length),
        st.integers(0, 5000),
        st.integers(0, 12),
        st.integers(0, 6),
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(TENANTS)
def test_nothing_that_lives_at_the_same_time_overlaps(tenants: list[Tenant]) -> None:
    made = plan(tenants)
    assert len(made.offsets) == len(tenants)
    spans = [(offset, offset + tenant.size) for offset, tenant in zip(made.offsets, tenants, strict=True)]
    for i, (start, end) in enumerate(spans):
        assert start % ALIGNMENT == 0
        assert start >= 0
        assert end <= made.total
        for j in range(i):
            if tenants[i].meets(tenants[j]):
                assert end <= spans[j][0] or spans[j][1] <= start
    assert lower_bound(tenants) <= made.total <= sum(tenant.size + ALIGNMENT for tenant in tenants)


@settings(max_examples=20, deadline=None)
@given(TENANTS)
def test_the_same_tenants_get_the_same_plan(tenants: list[Tenant]) -> None:
    assert plan(tenants) == plan(list(tenants))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_a_chain_of_layers_takes_no_more_than_its_widest_pair(sizes: list[int]) -> None:
    tenants = [Tenant(size, step, step + 1) for step, size in enumerate(sizes)]
    assert plan(tenants).total == lower_bound(tenants)


def test_a_plan_that_greedy_by_size_misses_is_found_by_reordering() -> None:
    # kws: greedy by size takes 28,096 B for these; 20,096 B are needed by one layer.
    sizes = [490, 696, 8000, 12096, 8000, 8000, 12096, 8000, 8000, 12096, 8000, 8000, 12096, 8000, 8000, 64, 12, 12]
    tenants = [Tenant(size, step, step + 1) for step, size in enumerate(sizes)]
    tenants[0] = Tenant(490, 0, 1)
    assert plan(tenants).total == lower_bound(tenants) == 20_096


def test_one_step_of_the_bound_counts_everything_alive() -> None:
    assert lower_bound([Tenant(10, 0, 3), Tenant(17, 3, 5), Tenant(1, 5, 5)]) == 16 + 32
    assert lower_bound([]) == plan([]).total == 0
