"""Prompt files that users supply: what is shown of them, and what is wrong with them, told in a sentence."""

from string import Template

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.dialogue.prompt_files import FORMS, parse_prompt, read_prompts, released_prompts
from compeer_jax.dialogue.prompts import load_task_prompt, read_prompt
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

CRITERIA = ("fluency", "diversity", "empathy", "suggestion", "tech", "human", "overall")
ROLE = "<!-- esc_role, en -->\nTheirs, by hand.\n<!-- system -->\nYou are: $card\n<!-- user -->\nHello!\n"
WHOLE = "<!-- esc_score, en, zh -->\n" + "".join(f"<!-- {name} -->\nRate {name}: $conversation\n" for name in CRITERIA)
FRAMED = (
    "<!-- esc_score, en -->\n<!-- user -->\n$criterion\n$conversation\n"
    + "".join(f"<!-- {name} -->\n{name}, $5\n" for name in CRITERIA)
)  # fmt: skip


def without(text: str, part: str) -> str:
    """The file without that part."""
    head, *parts = text.split("<!-- ")[1:]
    return "".join(f"<!-- {one}" for one in [head, *(one for one in parts if not one.startswith(f"{part} "))])


def test_a_prompt_is_known_by_its_parts_and_not_by_its_notes_or_line_ends():
    (prompt,) = parse_prompt(ROLE, "esc_role", "role.md")
    assert (prompt.system, prompt.user, prompt.language) == ("You are: $card", "Hello!", "en")
    for same in (
        ROLE.replace("Theirs", "Ours"),
        ROLE.replace("\n", "\r\n"),
        ROLE.replace("en -->", "en, version 3 -->"),
    ):
        assert parse_prompt(same, "esc_role", "role.md") == [prompt]
    other = parse_prompt(ROLE.replace("Hello!", "Hello."), "esc_role", "role.md")[0]
    assert prompt.version.startswith("sha256:")
    assert other.version != prompt.version


def test_a_file_of_several_languages_is_a_prompt_of_each_and_parts_without_a_frame_are_whole_messages():
    english, chinese = parse_prompt(WHOLE, "esc_score", "rank.md")
    assert (english.language, chinese.language, english.version) == ("en", "zh", chinese.version)
    assert english.user == ""
    assert english.more["tech"] == "Rate tech: $conversation"
    (framed,) = parse_prompt(FRAMED, "esc_score", "rank.md")
    assert framed.more["tech"] == "tech, $5"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=60))
@settings(max_examples=200)
def test_any_text_stands_for_itself_but_for_placeholders_and_two_dollar_signs(text):
    text = text.replace("<!--", "").strip()
    plain = Template.pattern.sub(lambda match: "§" if match["invalid"] is None else match[0], text).strip()
    file = f"<!-- esc_role, zh -->\n<!-- system -->\n{plain}\n$card\n<!-- user -->\n.{plain}\n"
    (prompt,) = parse_prompt(file, "esc_role", "role.md")
    assert Template(prompt.system).substitute(card="C") == f"{plain}\nC".strip()
    assert Template(prompt.user).substitute(card="C") == f".{plain}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "f.md is empty; begin it with '<!-- esc_role, en -->'"),
        (" \n", "f.md is empty;"),
        ("Hello", "f.md must begin with the line '<!-- esc_role, en -->'"),
        (ROLE.replace("esc_role", "esc_score"), "f.md is a prompt of 'esc_score' and not of 'esc_role';"),
        (ROLE.replace(", en", ", fr"), "f.md, first line: unknown language 'fr'; it can be one of: en, zh."),
        (ROLE.replace("$card", "$crad"), "f.md, part 'system': unknown placeholder '$crad'; did you mean '$card'?"),
        (ROLE.replace("$card", "${Card}"), "f.md, part 'system': unknown placeholder '$Card';"),
        (ROLE.replace("$card", "$$card"), "f.md has no placeholder $card; put it where it is to be shown."),
        (ROLE.replace("Hello!", " "), "f.md: the part 'user' is empty;"),
        (without(ROLE, "user"), "f.md has no part 'user'; add it below a line '<!-- user -->'."),
        (ROLE.replace("<!-- user -->", "<!-- usr -->"), "f.md, line 5: unknown part 'usr'; did you mean 'user'?"),
        (ROLE.replace("<!-- user -->", "<!--user-->"), "f.md, line 5: write a part's line as '<!-- name -->'"),
        (ROLE + "<!-- user -->\nHi\n", "f.md, line 7: a second part 'user'; leave one of them out."),
    ],
)
def test_what_is_wrong_with_a_role_players_file_is_one_sentence(text, sentence):
    with pytest.raises(UserError) as caught:
        parse_prompt(text, "esc_role", "f.md")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (without(WHOLE, "human"), "f.md has no part 'human';"),
        (WHOLE.replace("human: $conversation", "human"), "the part 'human' of f.md has no placeholder $conversation;"),
        (FRAMED.replace("$criterion", ""), "the part 'user' of f.md has no placeholder $criterion;"),
        (FRAMED.replace("human, $5", "$conversation"), "f.md, part 'human': unknown placeholder '$conversation';"),
        (WHOLE + "<!-- seeker -->\nA: $content\n", "f.md has one of the parts 'seeker' and 'supporter'; write both"),
        (
            WHOLE + "<!-- seeker -->\nA: $content\n<!-- supporter -->\nB:\n",
            "the part 'supporter' of f.md has no placeholder $content;",
        ),
    ],
)
def test_what_is_wrong_with_a_scorers_file_is_one_sentence(text, sentence):
    with pytest.raises(UserError) as caught:
        parse_prompt(text, "esc_score", "f.md")
    assert sentence in str(caught.value)


def test_files_that_cannot_be_read_or_do_not_fit_together_are_told_before_anything_runs(tmp_path):
    good, again, other = tmp_path / "en.md", tmp_path / "again.md", tmp_path / "latin.md"
    good.write_text(ROLE)
    again.write_bytes(b"\xef\xbb\xbf" + ROLE.encode())  # with a byte order mark, as some editors write it
    other.write_bytes(ROLE.replace("Hello!", "Höllo!").encode("latin-1"))
    assert read_prompts([], "esc_role", ["en", "zh"], "role_prompts") == {}
    assert read_prompts([str(again)], "esc_role", ["en"], "role_prompts").keys() == {"en"}
    for paths, sentence in (
        ([other], f"{other} is no UTF-8 text (byte "),
        ([tmp_path / "no.md"], "no.md can't be read: No such file or directory;"),
        ([tmp_path], "can't be read: Is a directory;"),
        ([good, again], f"role_prompts: {good} and {again} are both esc_role in en; leave one out."),
        ([good], "role_prompts has no esc_role in zh; name a file of it, or leave all files out."),
    ):
        with pytest.raises(UserError) as caught:
            read_prompts([str(path) for path in paths], "esc_role", ["en", "zh"], "role_prompts")
        assert sentence in str(caught.value)
    good.write_text(ROLE + "x" * (1 << 20))
    with pytest.raises(UserError, match="has more than 1,048,576 bytes; a prompt file is a short text"):
        read_prompts([str(good)], "esc_role", ["en"], "role_prompts")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", [task for task in FORMS if task != "sage_tested"])
def test_our_own_prompts_can_be_copied_as_files(task, language):
    _, body = read_prompt(task, language)
    (copied,) = parse_prompt(f"<!-- {task}, {language} -->\n{body}", task, "copy.md")
    ours = load_task_prompt(task, language)
    assert (copied.system, copied.user, copied.more) == (ours.system, ours.user, ours.more)


def test_the_released_prompts_of_sage_are_those_of_its_repository():
    """By the hashes of what we ship; `test_sage_official.py` holds them against what the released code asks."""
    found = {task: released_prompts(task) for task in FORMS if task.startswith("sage_")}
    assert {task: list(prompts) for task, prompts in found.items()} == {task: ["zh"] for task in found}
    assert {task: prompts["zh"].version[7:23] for task, prompts in found.items()} == {
        "sage_planner": "5ac617b06b6a22e0",
        "sage_agent": "4e187b5666938028",
        "sage_tested": "349829ff3d238355",
    }
