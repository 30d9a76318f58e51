"""A small bilingual tokenizer for runs without a downloaded model: SentencePiece learns it, `transformers` loads it.

SentencePiece finds the pieces (BPE, byte fallback); the result is saved as an ordinary `tokenizer.json`, so the rest of
the project sees one kind of tokenizer. SentencePiece writes a space as U+2581 and so can't tell the two apart; the
saved tokenizer holds real spaces, so that decode(encode(text)) == text for every text. Ids are SentencePiece's own.
"""

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from compeer_jax.errors import UserError
from compeer_jax.models.chat_template import PICTURE_TOKENS
from compeer_jax.models.tokenizer import read_tokenizer
from compeer_jax.models.tokenizer_files import PLAIN_MAP, make_readable

END_OF_TEXT, TURN_START, TURN_END = CHAT_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

REASONING_TAGS = tuple(
    f"<{slash}{tag}>"
    for tag in ("history", "emotion", "strategy", "context", "cognition", "plan", "response")
    for slash in ("", "/")
)

# Qwen2.5's template without its default system text and its tools.
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)

SPACE = "\u2581"  # how SentencePiece writes a space


def train_tokenizer(texts: Iterable[str], directory: str | Path, *, vocab_size: int = 4096, pictures: bool = False):
    """Trains a tokenizer on `texts`, saves it in `directory` and returns it as `transformers` loads it.

    The same texts in the same order give the same files. Chat tokens are special tokens; reasoning tags are ordinary
    text to a reader, one id each. `sentencepiece.model` is kept beside for tools that want it.

    Args:
        texts: what to learn from; line ends split them.
        directory: made when missing; files in it are replaced.
        vocab_size: ids in all, at least 300 or so: 256 bytes, the chat tokens, the tags, then pieces.
        pictures: have the special tokens that stand for pictures, for a model that sees.

    Raises:
        UserError: no text, a size that the texts can't fill or that leaves no room, a directory that can't be written.
    """
    from transformers import PreTrainedTokenizerFast

    special = CHAT_TOKENS + PICTURE_TOKENS * pictures
    model = _train_sentencepiece(texts, vocab_size, special)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_exact_bpe(model, special),
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START, *special[len(CHAT_TOKENS) :]],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        auto_map=PLAIN_MAP,
    )
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".part") as temporary:
            tokenizer.save_pretrained(temporary)
            make_readable(temporary)
            Path(temporary, "sentencepiece.model").write_bytes(model)
            for file in Path(temporary).iterdir():
                os.replace(file, directory / file.name)
    except OSError as error:
        raise UserError(f"{directory} can't be written ({error.strerror}); choose another folder.") from error
    return read_tokenizer(directory)


def _train_sentencepiece(texts: Iterable[str], vocab_size: int, special: tuple[str, ...]) -> bytes:
    import sentencepiece

    symbols = [*special, *REASONING_TAGS, "\n"]
    room = 1 + 256 + len(symbols)  # <unk> (which byte fallback leaves unused), bytes, symbols
    if vocab_size <= room:
        raise UserError(f"vocab_size {vocab_size} leaves no room for pieces; it must be above {room}.")
    lines = list(_lines(texts))
    if not lines:
        raise UserError("the tokenizer has no text to learn from; give it at least one dialogue.")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            byte_fallback=True,
            character_coverage=0.9995,
            user_defined_symbols=symbols,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_digits=True,
            max_sentence_length=1 << 20,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise UserError(
            f"{len(lines)} lines of text can't give {vocab_size} pieces; lower vocab_size or add text ({error})."
        ) from error
    return model.getvalue()


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from (line for line in text.replace(SPACE, " ").replace("\0", " ").split("\n") if line.strip())


def _exact_bpe(model: bytes, special: tuple[str, ...]):
    """The `tokenizers` form of a SentencePiece BPE model, with real spaces in the pieces."""
    import sentencepiece
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    vocab = {pieces.id_to_piece(i).replace(SPACE, " "): i for i in range(pieces.get_piece_size())}
    rank = {  # of the pieces that merging makes; a higher score is merged first
        pieces.id_to_piece(i).replace(SPACE, " "): -pieces.get_score(i)
        for i in range(pieces.get_piece_size())
        if not (pieces.is_unknown(i) or pieces.is_byte(i) or pieces.is_control(i))
    }
    rank = {piece: order for piece, order in rank.items() if piece not in special + REASONING_TAGS}
    merges = [
        (order, (piece[:cut], piece[cut:]))
        for piece, order in rank.items()
        for cut in range(1, len(piece))
        if piece[:cut] in rank and piece[cut:] in rank
    ]
    tokenizer = Tokenizer(
        models.BPE(vocab, [pair for _, pair in sorted(merges)], byte_fallback=True, fuse_unk=False, unk_token=None)
    )
    # No piece crosses a space, so cutting there changes no id; it keeps the words short and cached.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_next")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in REASONING_TAGS])
    return tokenizer
