"""What a machine and its control groups leave for a run."""

import pytest

from compeer_jax.errors import UserError
from compeer_jax.training.memory import check_program, check_state, left_bytes

GIGABYTE = 10**9


def machine(tmp_path, groups: str, available: int = 8 * GIGABYTE):
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal:       99999999 kB\nMemAvailable:   {available // 1024} kB\n")
    (proc / "self" / "cgroup").write_text(groups)
    return proc, tmp_path / "groups"


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"memory.{name}").write_text(f"{content}\n")


def test_a_machine_without_groups_leaves_what_is_available(tmp_path):
    assert left_bytes(*machine(tmp_path, "")) == 8 * GIGABYTE // 1024 * 1024
    assert left_bytes(tmp_path / "nothing", tmp_path / "nothing") is None


def test_the_tightest_group_counts_and_cached_files_do_not(tmp_path):
    proc, groups = machine(tmp_path, "0::/outer/inner\n")
    group(groups / "outer", max=5 * GIGABYTE, current=4 * GIGABYTE, stat=f"anon 7\ninactive_file {2 * GIGABYTE}")
    group(groups / "outer" / "inner", max="max", current=GIGABYTE, stat="inactive_file 0")
    assert left_bytes(proc, groups) == 3 * GIGABYTE


def test_groups_of_version_1_count(tmp_path):
    proc, groups = machine(tmp_path, "5:devices:/\n4:memory:/job\n0::/\n")
    stat = f"total_inactive_file {GIGABYTE}"
    group(groups / "memory" / "job", limit_in_bytes=6 * GIGABYTE, usage_in_bytes=5 * GIGABYTE, stat=stat)
    assert left_bytes(proc, groups) == 2 * GIGABYTE


def test_what_cannot_fit_is_refused_in_a_sentence_with_the_mend():
    with pytest.raises(UserError, match=r"optimiser updates needs 12000000\.0 GB .* train adapters"):
        check_state(10**15, 4)
    with pytest.raises(UserError, match=r"A step needs .* raise gradient_accumulation"):
        check_program(10**18, "A step")
