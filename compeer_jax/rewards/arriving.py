"""Things that are still on their way, such as completions being written, as a sequence that can be used already.

A reward function takes it for any other sequence: whoever reads an item that isn't there waits for it. So a reward that
looks at one completion after the other rates the first ones while the last are being written, and says what it would
say later, since it is called once, with all of them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar, overload

T = TypeVar("T")
U = TypeVar("U")


class Arriving(Sequence[T]):
    """N items, of which one thread gives each when it is there, and another reads them; made by `arriving`.

    Attributes:
        group_size: so many, side by side, are about the same prompt.
    """

    def __init__(self, futures: Sequence[Future[T]], group_size: int):
        self._futures, self.group_size = futures, group_size

    def __len__(self) -> int:
        return len(self._futures)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Arriving[T]": ...
    def __getitem__(self, index):
        """The item, waited for; or a part of the sequence, not waited for."""
        if isinstance(index, slice):
            return Arriving(self._futures[index], self.group_size)
        return self._futures[index].result()

    def give(self, index: int, item: T) -> None:
        """Item `index` is there."""
        self._futures[index].set_result(item)

    def fail(self, error: BaseException, indices: Iterable[int]) -> None:
        """Those of these items that aren't there will not come; whoever reads one gets `error`."""
        for index in indices:
            if not self._futures[index].done():
                self._futures[index].set_exception(error)

    async def when_there(self, index: int) -> T:
        """The item, for async code, which must not wait any other way."""
        return await asyncio.wrap_future(self._futures[index])


def arriving(count: int, group_size: int) -> Arriving:
    """`count` items, none of which is there."""
    futures = [Future() for _ in range(count)]
    for future in futures:
        future.set_running_or_notify_cancel()  # whoever gives up waiting must not take it from those who give
    return Arriving(futures, group_size)


def spread(function: Callable[[int, T], Sequence[U]], items: Sequence[T], each: int = 1) -> Sequence[U]:
    """All that `function` makes of each item's number and the item: a list, or arriving as the items do.

    Args:
        function: gives `each` things; quick, since the thread that gives an item calls it.
        items: what it is called with.
        each: how many things come of an item.
    """
    if not isinstance(items, Arriving):
        return [made for index, item in enumerate(items) for made in function(index, item)]
    made = arriving(len(items) * each, items.group_size * each)

    def follow(item: Future[T], index: int) -> None:
        try:
            for member, thing in enumerate(function(index, item.result())):
                made.give(index * each + member, thing)
        except BaseException as error:
            made.fail(error, range(index * each, (index + 1) * each))

    for index, future in enumerate(items._futures):
        future.add_done_callback(partial(follow, index=index))
    return made


async def there(items: Sequence[T], index: int) -> T:
    """`items[index]`, for async code."""
    return await items.when_there(index) if isinstance(items, Arriving) else items[index]


def wait_for(items: Sequence[T]) -> Sequence[T]:
    """The items, all of which are there."""
    return list(items) if isinstance(items, Arriving) else items
