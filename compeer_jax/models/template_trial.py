"""Whether a chat template ends: tried on a few talks, in a process of its own with little time and memory.

A template is a program that comes with a checkpoint. `transformers` runs it in Jinja's sandbox, which keeps it from
files and attributes, and lets it loop for ever or fill the memory.
"""

import json
import subprocess
import sys
from functools import lru_cache

from compeer_jax.errors import UserError

SECONDS, MEMORY, LONGEST = 5, 2**30, 2**20
"""What a template may take for the longest of the talks, of the processor and in bytes; and write, in characters."""

# What runs there: the settings of `transformers.utils.chat_template_utils`, without loading transformers.
_PROGRAM = """
import json, sys
try:
    import resource
    for limit, most in (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds):
        resource.setrlimit(limit, (most, most))
except ImportError:
    pass  # no such limits on Windows
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Generation(Extension):
    tags = {"generation"}
    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)

def fail(message):
    raise ValueError(message)

environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
)
environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False)
environment.globals |= {"raise_exception": fail, "strftime_now": lambda form: "1 Jan 2000"}
try:
    template = environment.from_string(source)
    for messages in talks:
        text = template.render(messages=messages, tools=None, documents=None, add_generation_prompt=True, **tokens)
        if len(text) > longest:
            raise ValueError(f"it writes {len(text)} characters for {len(messages)} short messages")
except MemoryError:
    print("it takes too much memory")
except Exception as error:
    print(" ".join(f"{type(error).__name__}: {error}".split())[:200])
"""
_MESSAGE = {"role": "user", "content": "I can't sleep."}, {"role": "assistant", "content": "That sounds hard."}
_TALKS = [[{"role": "system", "content": "Be kind."}, *_MESSAGE * 64, _MESSAGE[0]], [_MESSAGE[0]]]


@lru_cache
def try_template(template: str, where: str) -> None:
    """Raises UserError for a chat template that fails, that does not end, or that writes without measure.

    Args:
        template: in Jinja.
        where: whose it is, for the sentence.
    """
    if _is_plain(template):
        return
    given = {"source": template, "talks": _TALKS, "tokens": {"bos_token": "", "eos_token": "", "pad_token": ""}}
    limits = {"memory": MEMORY, "seconds": SECONDS, "longest": LONGEST}
    program = f"import json, sys\nglobals().update(json.loads(sys.stdin.read()))\n{_PROGRAM}"
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", program],
            input=json.dumps(given | limits).encode(),
            capture_output=True,
            timeout=12 * SECONDS,  # of a busy machine
        )
        reason = done.stdout.decode(errors="replace").strip()
        if done.returncode and not reason:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
            reason = f"it does not end within {SECONDS} s" if done.returncode < 0 else said
    except subprocess.TimeoutExpired:
        reason = f"it does not end within {12 * SECONDS} s"
    except OSError:  # no room for one more process: the template runs where it is used, as it would have without this
        reason = ""
    if reason:
        raise UserError(f"the chat template of {where} can't be used: {reason}; take the model's own one.")


def _is_plain(template: str) -> bool:
    """Whether a template can only write out what it is given, once a message: no calls, no products, nothing kept."""
    from jinja2 import Environment, TemplateSyntaxError, nodes

    try:
        tree = Environment(trim_blocks=True, lstrip_blocks=True).parse(template)
    except (TemplateSyntaxError, RecursionError):
        return False
    loops = list(tree.find_all(nodes.For))
    grows = (nodes.Call, nodes.Mul, nodes.Pow, nodes.Mod, nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.Include)
    return (
        tree.find(grows) is None
        and not any(node.attr.startswith("_") for node in tree.find_all(nodes.Getattr))
        and all(isinstance(loop.iter, nodes.Name | nodes.Getattr) for loop in loops)
        and not any(inner is not outer for outer in loops for inner in outer.find_all(nodes.For))
        and all(node.name in ("tojson", "trim") for node in tree.find_all(nodes.Filter))
    )
