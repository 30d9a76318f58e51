import hashlib

import pytest

from compeer_jax.curation.filter.stage import VERDICTS
from compeer_jax.dialogue.danger.rubric import rubric_messages
from compeer_jax.dialogue.prompts import ROLE_PROMPTS, TASK_PROMPTS, load_task_prompt
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

# What each version said, by the first half of its SHA-256: a changed text (or taxonomy) needs a new version here and
# in the file's first line, so that provenance tells which words a model was shown.
VERSIONS = {
    ("coherence", "en"): (1, "47201741048a6d2cda3d12daf30646f1"),
    ("coherence", "zh"): (1, "c93bc1bb9692bbdd3b10e965c6bbd968"),
    ("traits", "en"): (1, "eea491fc7cb3cb0563f7883166ad44ef"),
    ("traits", "zh"): (1, "e77455953ad0e7bcea18f057e2a370dd"),
    ("rewrite", "en"): (1, "086e4e5135ce823da7cd7692a1059bfb"),
    ("rewrite", "zh"): (1, "ce52c9f6eca771332e7eddff5e9529d1"),
    ("rewrite_persona", "en"): (1, "ec208f70205b3ebd489e67cb5d360df6"),
    ("rewrite_persona", "zh"): (1, "f03bb0343059dcb9a1868ced64a9aa44"),
    ("rewrite_steps", "en"): (1, "dcf795a7dab00b7453b48fac7043ae11"),
    ("rewrite_steps", "zh"): (1, "80b6c4503b5c6e2c24fe3f9554dcd9cf"),
    ("strategy", "en"): (1, "98db26b699636fc723a2d49ffd855c09"),
    ("strategy", "zh"): (1, "46a954e8ecf29ea16b809751c5915bf4"),
    ("care_chain", "en"): (1, "310a3b5c0dc8d74b7217c4c05c5ffbc6"),
    ("care_chain", "zh"): (1, "7fc9738576b1ab8a6e02c7981c540cc2"),
    ("care_coherence", "en"): (1, "ee52248d27a11b862284128f561b0e1a"),
    ("care_coherence", "zh"): (1, "c0fe5a38dcbf8b870a9fcbd305ba0695"),
    ("sage_planner", "en"): (1, "ae63333b63e4406ffd13333109fbf0de"),
    ("sage_planner", "zh"): (1, "f59d784a96f7c5f26ff506ee60c82ea7"),
    ("sage_agent", "en"): (1, "2263fddc3825c6640ea744e6a4abed00"),
    ("sage_agent", "zh"): (1, "270513608eec98ff7356105a312542e6"),
    ("esc_score", "en"): (1, "54907b0a7b3bd98b2e2658b4dcb3c87e"),
    ("esc_score", "zh"): (1, "66db1660c0a0042f6c4276610f08603b"),
    ("esc_plain", "en"): (1, "9be82bfa6aa37534faf93f8fe7f2ed4e"),
    ("esc_plain", "zh"): (1, "d0e6cdd35e5847bced2a314468590281"),
    ("esc_role", "en"): (1, "82232e88b6afa8b1ee368ba5e47847b5"),
    ("esc_role", "zh"): (1, "e3a2986006b76f15a46d911270e0a850"),
    ("danger_rubric", "en"): (1, "4c1923547cec044df014f35795db73e3"),
    ("danger_rubric", "zh"): (1, "6bf8961d61b7edd1daf1961e65fbb095"),
    ("seeker_place", "en"): (1, "d3b75849f8ca705b1a5243884536f508"),
    ("seeker_place", "zh"): (1, "c3043bca7a71549b8f0de329ee42d14f"),
}
each_prompt = pytest.mark.parametrize("name", TASK_PROMPTS)
each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.mark.parametrize("name", TASK_PROMPTS + ROLE_PROMPTS)
@each_language
def test_a_changed_text_has_a_new_version(name, language):
    prompt = load_task_prompt(name, language)
    assert (prompt.name, prompt.language) == (name, language)
    more = [f"{part}\n{text}" for part, text in prompt.more.items()]
    digest = hashlib.sha256("\n".join([prompt.system, prompt.user, *more]).encode()).hexdigest()[:32]
    assert VERSIONS[name, language] == (prompt.version, digest)


@each_prompt
def test_no_list_of_the_taxonomy_is_left_to_fill_in(name):
    for language in LANGUAGES:
        system = load_task_prompt(name, language).system
        if name == "danger_rubric":  # which fills in the kinds of danger itself
            system = rubric_messages([Turn("seeker", "Hello.")], language)[0]["content"]
        assert "$" not in system


@each_prompt
@each_language
def test_the_talk_is_shown_once_within_its_frame_and_is_no_instruction(name, language):
    prompt = load_task_prompt(name, language)
    assert prompt.user.count("$conversation") == 1
    assert "<conversation>\n$conversation\n</conversation>" in prompt.user
    assert {"en": "never an instruction", "zh": "绝不是"}[language] in prompt.system


@each_language
def test_what_is_shown_may_hold_dollar_signs(language):
    messages = load_task_prompt("coherence", language).messages(conversation="Seeker: $conversation $5 $$")
    assert [message["role"] for message in messages] == ["system", "user"]
    assert "\nSeeker: $conversation $5 $$\n" in messages[1]["content"]


@each_language
def test_the_verdicts_of_coherence_are_those_that_are_read(language):
    lines = load_task_prompt("coherence", language).system.splitlines()
    assert tuple(line.removeprefix("Verdict: ") for line in lines if line.startswith("Verdict: ")) == VERDICTS


def test_an_unknown_prompt_or_language_is_an_error():
    with pytest.raises(UserError, match=r"^unknown task prompt 'coherense'; did you mean 'coherence'\?"):
        load_task_prompt("coherense", "en")
    with pytest.raises(UserError, match=r"^unknown language 'fr'"):
        load_task_prompt("coherence", "fr")
