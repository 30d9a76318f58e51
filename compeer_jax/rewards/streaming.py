"""Streams: sequences whose items are still on their way, such as completions being written.

A reward function takes one for any other sequence: whoever reads an item that isn't there waits for it. So a reward
that looks at one completion after the other rates the first ones while the last are being written, and gives what it
would give later, since it is called once, with all of them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar, overload

T = TypeVar("T")
U = TypeVar("U")


class Stream(Sequence[T]):
    """N items, each put in by one thread when it is there and read by another; made by `Stream.of`.

    Attributes:
        group_size: so many, side by side, are about the same prompt.
    """

    def __init__(self, futures: Sequence[Future[T]], group_size: int):
        self._futures, self.group_size = futures, group_size

    @classmethod
    def of(cls, count: int, group_size: int) -> "Stream":
        """`count` items, none of which is there."""
        futures = [Future() for _ in range(count)]
        for future in futures:
            future.set_running_or_notify_cancel()  # whoever gives up waiting must not take it from those who put
        return cls(futures, group_size)

    def __len__(self) -> int:
        return len(self._futures)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Stream[T]": ...
    def __getitem__(self, index):
        """The item, waited for; or a part of the sequence, not waited for."""
        if isinstance(index, slice):
            return Stream(self._futures[index], self.group_size)
        return self._futures[index].result()

    def put(self, index: int, item: T) -> None:
        """Item `index` is there."""
        self._futures[index].set_result(item)

    def fail(self, error: BaseException, indices: Iterable[int]) -> None:
        """Those of these items that aren't there will not come; whoever reads one gets `error`."""
        for index in indices:
            if not self._futures[index].done():
                self._futures[index].set_exception(error)

    async def wait(self, index: int) -> T:
        """The item, for async code, which must not wait any other way."""
        return await asyncio.wrap_future(self._futures[index])


def stream_map(function: Callable[[int, T], Sequence[U]], items: Sequence[T], each: int = 1) -> Sequence[U]:
    """All that `function` makes of each item's number and the item: a list, or a stream if they are one.

    Args:
        function: gives `each` things; quick, since the thread that puts an item calls it.
        items: what it is called with.
        each: how many things come of an item.
    """
    if not isinstance(items, Stream):
        return [made for index, item in enumerate(items) for made in function(index, item)]
    made = Stream.of(len(items) * each, items.group_size * each)

    def follow(item: Future[T], index: int) -> None:
        try:
            for member, thing in enumerate(function(index, item.result())):
                made.put(index * each + member, thing)
        except BaseException as error:
            made.fail(error, range(index * each, (index + 1) * each))

    for index, future in enumerate(items._futures):
        future.add_done_callback(partial(follow, index=index))
    return made


async def stream_item(items: Sequence[T], index: int) -> T:
    """`items[index]`, for async code."""
    return await items.wait(index) if isinstance(items, Stream) else items[index]


def collected(items: Sequence[T]) -> Sequence[T]:
    """The items, all of which are there."""
    return list(items) if isinstance(items, Stream) else items
