"""The scripts that start a run on many hosts: what they hand to a launcher that writes down what it gets."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from compeer_jax.cli.configure import parse_config
from compeer_jax.training.config import GRPOConfig

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "scripts" / "launch"


@pytest.fixture
def shell(tmp_path):
    """`shell(script, *arguments, status=0)`: runs it where gcloud, srun and scontrol only note their arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, status in (("gcloud", 0), ("srun", '"$STATUS"'), ("scontrol", 0)):
        program = folder / name
        program.write_text(f'#!/bin/sh\nfor word in {name} "$@"; do echo "$word"; done >> "$NOTED"\nexit {status}\n')
        program.chmod(0o755)
    noted = tmp_path / "noted"

    def run(script: str, *arguments: str, status: int = 0) -> tuple[int, list[str]]:
        noted.write_text("")
        settings = {"PATH": f"{folder}:{os.environ['PATH']}", "NOTED": str(noted), "STATUS": str(status)}
        settings |= {"SLURM_JOB_ID": "77"}
        done = subprocess.run(["bash", LAUNCH / script, *arguments], env=os.environ | settings, capture_output=True)
        return done.returncode, noted.read_text().splitlines()

    return run


@pytest.mark.parametrize("script", ["tpu_vm.sh", "slurm.sbatch"])
def test_the_scripts_are_valid_bash_and_tell_their_use(script, shell):
    assert subprocess.run(["bash", "-n", LAUNCH / script]).returncode == 0
    done = subprocess.run(["bash", LAUNCH / script], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"scripts/launch/{script}" in done.stderr
    assert shell(script)[1] == []  # nothing is started


def test_a_tpu_run_is_started_on_all_hosts_with_its_words_as_they_were(shell):
    words = ("grpo", "--config", "my grpo.yaml", "--output", "/shared/$USER")
    status, noted = shell("tpu_vm.sh", "run", "pod", "us-central1-a", *words)
    assert status == 0
    *head, last = noted
    assert head == ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "pod", "--zone=us-central1-a", "--worker=all"]
    remote = last.removeprefix("--command=").replace("~/compeer/bin/compeer", "printf '%s\\n'")
    there = subprocess.run(["bash", "-c", remote], capture_output=True, text=True).stdout.splitlines()
    assert there == [*words, "--processes.coordinator", "auto"]


def test_a_tpu_slice_is_set_up_with_what_is_asked_for(shell):
    assert "pip install --quiet --upgrade compeer_jax\\[tpu\\]" in shell("tpu_vm.sh", "setup", "pod", "zone")[1][-1]
    assert "upgrade git+https://host/x" in shell("tpu_vm.sh", "setup", "pod", "zone", "git+https://host/x")[1][-1]
    assert shell("tpu_vm.sh", "start", "pod", "zone") == (2, [])


@pytest.mark.parametrize("status, requeued", [(0, []), (2, []), (75, ["scontrol", "requeue", "77"])])
def test_a_slurm_job_is_queued_again_when_the_run_has_saved_and_left(shell, status, requeued):
    ended, noted = shell("slurm.sbatch", "sft", "--config", "my sft.yaml", status=status)
    start = ["srun", "--kill-on-bad-exit=0", "compeer", "sft", "--config", "my sft.yaml"]
    assert noted == [*start, "--processes.coordinator", "auto", *requeued]
    assert ended == status


def test_slurm_is_asked_for_one_process_a_gpu_and_a_signal_before_the_end():
    asked = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in (LAUNCH / "slurm.sbatch").read_text().splitlines()
        if line.startswith("#SBATCH")
    )
    assert asked["ntasks-per-node"] == asked["gpus-per-node"]
    assert asked["signal"].startswith("USR1@")
    assert "requeue" in asked


def test_the_jobset_asks_for_the_hosts_of_its_slice_and_starts_a_run_that_is_configured_right():
    jobset = yaml.safe_load((LAUNCH / "gke_jobset.yaml").read_text())
    assert (jobset["apiVersion"], jobset["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    (job,) = jobset["spec"]["replicatedJobs"]
    hosts = job["template"]["spec"]
    pod = hosts["template"]["spec"]
    (container,) = pod["containers"]
    rows, columns = map(int, pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x"))
    chips = hosts["parallelism"] * container["resources"]["limits"]["google.com/tpu"]
    assert hosts["parallelism"] == hosts["completions"]
    assert chips == rows * columns
    assert pod["restartPolicy"] == "Never"
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}

    program, command, *arguments = container["command"]
    assert (program, command) == ("compeer", "grpo")
    config = arguments.index("--config") + 1
    arguments[config] = str(ROOT / "configs" / Path(arguments[config]).name)
    settings = parse_config(GRPOConfig, arguments, command=command, description="")
    assert settings.mesh.fsdp == chips
    assert settings.processes.coordinator == "auto"
