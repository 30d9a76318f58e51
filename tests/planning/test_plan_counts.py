"""What is counted of compiled programs, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from compeer_jax.parallel.mesh import MeshConfig, make_mesh
from compeer_jax.parallel.topologies import parse_topology
from compeer_jax.planning.compile_tpu import topology_devices
from compeer_jax.planning.counts import Counts, count
from compeer_jax.planning.hlo import parse

WEIGHT = jax.ShapeDtypeStruct((128, 128), jnp.float32)
PRODUCT = 2 * 128**3


@pytest.fixture(scope="module")
def tpus():
    return topology_devices(parse_topology("v5e:2x2"))


def counted(function, *arguments, loops=None) -> dict[str, Counts]:
    return count(parse(jax.jit(function).lower(*arguments).compile().as_text()), loops)


def on(mesh, shape, *axes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, PartitionSpec(*axes)))


def on_machine(machine, tpus, shape=(128, 128)):
    """An array on the CPU that is here, or on a TPU that is not."""
    if machine == "cpu":
        return jax.ShapeDtypeStruct(shape, jnp.float32)
    return on(make_mesh(MeshConfig(), tpus[:1]), shape)


def nested(x):
    """Three times five products."""

    def inner(x, _):
        return jnp.sin(x @ x), None

    def outer(x, _):
        return jax.lax.scan(inner, x, length=5)[0], None

    return jax.lax.scan(outer, x, length=3)[0]


@pytest.mark.parametrize("machine", ["cpu", "tpu"])
class TestLoops:
    def test_products_in_nested_loops_count_as_often_as_they_run(self, machine, tpus):
        assert counted(nested, on_machine(machine, tpus))[""].flops == 15 * PRODUCT

    def test_a_loop_counts_from_where_it_starts(self, machine, tpus):
        def program(x):
            return jax.lax.fori_loop(3, 9, lambda i, x: jnp.sin(x @ x + i), x)

        assert counted(program, on_machine(machine, tpus))[""].flops == 6 * PRODUCT

    def test_a_loop_that_may_end_early_counts_in_full(self, machine, tpus):
        def program(x):
            going = (jnp.int32(0), x)
            return jax.lax.while_loop(
                lambda at: (at[0] < 7) & (at[1].sum() > 0), lambda at: (at[0] + 1, at[1] @ at[1]), going
            )[1]

        assert counted(program, on_machine(machine, tpus))[""].flops == 7 * PRODUCT

    def test_a_loop_without_a_number_runs_as_often_as_is_said_in_a_phase_of_its_own(self, machine, tpus):
        def body(x):
            with jax.named_scope("halve"):
                return jnp.sin(x @ x) / 2

        def program(x):
            return jax.lax.while_loop(lambda x: x.sum() > 1, body, x @ x)

        phases = counted(program, on_machine(machine, tpus), loops={"halve": 11})
        assert phases["halve"].flops == 11 * PRODUCT
        assert phases[""].flops == PRODUCT
        with pytest.raises(KeyError):
            counted(program, on_machine(machine, tpus))

    def test_a_product_of_batches_counts_no_padding(self, machine, tpus):
        """Compilers for TPU write it as a convolution that is padded and has gaps."""
        queries, keys = on_machine(machine, tpus, (2, 64, 4, 3, 128)), on_machine(machine, tpus, (2, 96, 4, 128))
        scores = counted(lambda q, k: jnp.einsum("ntkrh,nskh->nkrts", q, k), queries, keys)
        assert scores[""].flops == 2 * (2 * 4 * 3) * 64 * 96 * 128

    def test_reading_a_slice_is_not_reading_the_whole(self, machine, tpus):
        def program(table, x):
            def add(x, at):
                return x + jax.lax.dynamic_index_in_dim(table, at, keepdims=False), None

            return jax.lax.scan(add, x, jnp.arange(64))[0]

        table = on_machine(machine, tpus, (64, 1024, 1024))  # too large for the fast memory of a TPU
        read = counted(program, table, on_machine(machine, tpus, (1024, 1024)))[""].bytes
        once = 64 * 4 * 1024**2
        assert once <= read <= 4 * once

    def test_a_product_with_one_of_many_matrices_reads_that_one(self, machine, tpus):
        """Compilers for TPU take the slice within the product, as decoding with stacked layers does."""

        def program(weights, x):
            return jax.lax.scan(lambda x, weight: (x @ weight, None), x, weights)[0]

        weights = on_machine(machine, tpus, (64, 1024, 1024))
        read = counted(program, weights, on_machine(machine, tpus, (8, 1024)))[""].bytes
        once = 64 * 4 * 1024**2
        assert once <= read <= 4 * once


class TestCollectives:
    @pytest.fixture(scope="class")
    def mesh(self):
        return make_mesh(MeshConfig(fsdp=-1), jax.devices("cpu")[:8])

    def test_gathering_moves_what_others_hold(self, mesh):
        split, whole = on(mesh, (64, 128), "fsdp"), NamedSharding(mesh, PartitionSpec())
        moved = counted(lambda x: jax.lax.with_sharding_constraint(x, whole), split)[""].collectives
        assert moved["all-gather"].bytes == 64 * 128 * 4 * 7 / 8
        assert moved["all-gather"].calls == 1

    def test_reducing_moves_it_twice(self, mesh):
        split = on(mesh, (64, 128), "fsdp")
        moved = counted(lambda x: x.sum(axis=0), split)[""].collectives
        assert moved["all-reduce"].bytes == pytest.approx(2 * 128 * 4 * 7 / 8)

    def test_collectives_in_a_loop_count_each_time(self, mesh):
        split, whole = on(mesh, (128, 128), "fsdp"), NamedSharding(mesh, PartitionSpec())

        def program(w, x):
            def layer(x, _):
                return jnp.sin(x @ jax.lax.with_sharding_constraint(jnp.sin(w + x[0, 0]), whole)), None

            return jax.lax.scan(layer, x, length=10)[0]

        moved = counted(program, split, on(mesh, (128, 128)))[""].collectives
        assert moved["all-gather"].calls == 10
        assert moved["all-gather"].bytes == 10 * 128 * 128 * 4 * 7 / 8

    def test_all_collectives_of_a_shard_map_count(self, mesh):
        def program(x):
            return jax.lax.psum_scatter(jax.lax.all_gather(x, "fsdp", tiled=True) ** 2, "fsdp", tiled=True)

        here = PartitionSpec("fsdp")
        split = jax.shard_map(program, mesh=mesh, in_specs=here, out_specs=here)
        moved = counted(split, on(mesh, (64, 128), "fsdp"))[""].collectives
        assert moved["all-gather"].bytes == moved["reduce-scatter"].bytes == 64 * 128 * 4 * 7 / 8

    @pytest.mark.parametrize(
        "groups",
        [
            "{{0,2,4,6},{1,3,5,7}}",
            "[2,4]<=[4,2]T(1,0)",
            "mesh['a'=1,'b'=4,'c'=2] {'b'}",
            "mesh['a'=1,'b'=4,'c'=2], device_ids=([2,4]T(1,0)) {'b'}",
        ],
    )
    def test_four_devices_take_part_however_the_groups_are_written(self, groups):
        text = f"""HloModule gather
ENTRY %main (x: f32[16]) -> f32[64] {{
  %x = f32[16]{{0}} parameter(0)
  ROOT %gathered = f32[64]{{0}} all-gather(%x), channel_id=1, replica_groups={groups}, dimensions={{0}}
}}
"""
        assert count(parse(text))[""].received == 3 * 16 * 4

    def test_a_product_over_the_links_on_tpus_counts_every_shard_once(self, tpus):
        """The compiler may send shards around while it multiplies, two turns of its loop at once."""
        mesh = make_mesh(MeshConfig(fsdp=4), tpus)
        x = on(mesh, (4, 2048, 2048), "fsdp", dtype=jnp.bfloat16)
        w = on(mesh, (2048, 8192), "fsdp", dtype=jnp.bfloat16)
        counts = counted(lambda x, w: jnp.einsum("ntd,df->ntf", x, w), x, w)[""]
        assert counts.flops == 2 * 2048 * 2048 * 8192
        assert counts.received == pytest.approx(2048 * 8192 * 2 * 3 / 4, rel=0.01)


def test_counts_add_up_and_multiply():
    moved = counted(
        lambda x: x.sum(axis=0), on(make_mesh(MeshConfig(fsdp=-1), jax.devices("cpu")[:8]), (64, 128), "fsdp")
    )[""]
    twice = moved + moved
    assert twice == moved.times(2)
    assert Counts() + moved == moved
    np.testing.assert_allclose(twice.received, 2 * moved.received)


def test_text_without_an_entry_is_no_program():
    with pytest.raises(ValueError, match="no ENTRY"):
        parse("HloModule nothing")
