"""One style for all commands: options, help, errors, the environment and completion."""

import os
import subprocess
import sys
from collections import defaultdict

import click
import pytest
from click.testing import CliRunner, Result

from audioae.cli.app import ALIASES, SECTIONS, main

COMMANDS = [command for commands in SECTIONS.values() for command in commands]


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, list(words), env=environment)


def test_an_option_has_the_same_names_on_every_command() -> None:
    names = defaultdict(set)
    for command in COMMANDS:
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                for each in option.opts:
                    names[each].add(tuple(sorted(option.opts)))
    assert {each: found for each, found in names.items() if len(found) > 1} == {}
    assert names["-m"] == {("--model", "-m")} and names["-o"] == {("--out", "-o")} and names["-q"] == {("--quiet", "-q")}


@pytest.mark.parametrize("name", ["--overwrite", "--device", "--threads", "--quiet", "--seed", "--backend"])
def test_an_option_has_the_same_meaning_on_every_command(name: str) -> None:
    options = [option for command in COMMANDS for option in command.params if name in option.opts]
    assert len(options) > 1
    assert len({(option.help, str(option.type.to_info_dict())) for option in options}) == 1  # type: ignore[attr-defined]


def test_the_help_lists_every_command_with_a_whole_sentence() -> None:
    lines = " ".join(run("--help").output.split())
    for title, commands in SECTIONS.items():
        assert f" {title}: {commands[0].name} " in lines
        for command in commands:
            sentence = " ".join((command.help or "").split("\n\n")[0].split())
            assert sentence[0].isupper() and sentence.endswith(".")
            assert f" {command.name} {sentence}" in lines
    assert {command.name for command in COMMANDS} | set(ALIASES) == set(main.commands)


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (["denoise", "--foo"], "No such option '--foo'", 2),
        (["denoise"], "Missing argument 'INPUT...'", 2),
        (["dnoise"], "No such command 'dnoise'", 2),
        (["generate", "-o", "x"], "give a model by -m", 2),
        (["generate", "dcgan", "-m", "cgan", "-o", "x"], "given twice", 2),
        (["generate", "-m", "vae_2d", "--class", "7", "-o", "x"], "--class needs a generator, which vae_2d is not", 2),
        (["generate", "-m", "dcgan", "--patches", "2", "-o", "x"], "--patches needs a variational autoencoder", 2),
        (["denoise", "nothing.wav"], "nothing.wav: there is no such file", 1),
        (["models", "nothing"], "nothing: is neither", 1),
        (["train", "nothing"], "nothing: no such file", 1),
    ],
)
def test_errors_have_one_format(words: list[str], told: str, code: int) -> None:
    result = run(*words)
    assert result.exit_code == code
    assert result.output.startswith("audioae: ") and told in result.output.splitlines()[0]
    assert len(result.output.splitlines()) == code  # wrong command lines name the help, too


def test_options_can_be_set_by_the_environment() -> None:
    assert "nothing: is neither" in run("export", "-o", "x.onnx", AUDIOAE_EXPORT_MODEL="nothing").output
    set_twice = run("generate", "dcgan", "--class", "x", "-o", "y", AUDIOAE_GENERATE_MODEL="nothing").output
    assert "not one of dcgan" in set_twice, "the command line is stronger"
    assert "Usage" not in run("models", "nothing", AUDIOAE_HELP="1", AUDIOAE_VERSION="1", AUDIOAE_MODELS_HELP="1").output


def test_earlier_names_of_commands_still_work() -> None:
    assert main.commands["sample"] is main.commands["generate"]
    assert "sample" not in run("--help").output


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("audioae den", {"denoise"}),
        ("audioae denoise --model conv_dae_", {"conv_dae_large", "conv_dae_offline"}),
        ("audioae train vae", {"vae_1d", "vae_2d"}),
    ],
)
def test_shells_complete_commands_models_and_recipes(words: str, completions: set[str]) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_AUDIOAE_COMPLETE": "bash_complete"}
    done = subprocess.run([sys.executable, "-m", "audioae"], env=os.environ | asked, capture_output=True, text=True)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == completions
