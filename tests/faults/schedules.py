"""The directed schedules x1 to x6: a request is held back, repeated by the client, and delivered in a later one.

Each is a coroutine on the proxy's loop: nothing passes between its steps. They return the error codes with which the
late request was answered: [] means that it took effect.
"""

import asyncio

from frames import (
    ADD_OFFSETS,
    CONCURRENT_TRANSACTIONS,
    END_TXN,
    ILLEGAL_GENERATION,
    INIT_PRODUCER_ID,
    PRODUCE,
    TXN_OFFSET_COMMIT,
)
from kproxy import Rule, error

RESET_AFTER = 0.005
WARM = 2  # transactions that pass before anything happens


def commits(frame):
    return frame.request.committed()


def aborts(frame):
    return not frame.request.committed()


def well(frame):
    return frame.codes == []


async def broken_off(held):
    """The request is caught; 5 ms later the client's connection breaks, the broker's side stays open."""
    frame = await held.caught()
    await asyncio.sleep(RESET_AFTER)
    frame.link.reset_client()
    return frame


async def quiet(watch, seconds=0.25, most=5.0):
    """Until nothing has been seen for a while."""
    end = asyncio.get_running_loop().time() + most
    count = 0
    while asyncio.get_running_loop().time() < end:
        try:
            await watch.next(seconds)
            count += 1
        except asyncio.TimeoutError:
            break
    return count


async def half_written(proxy, subject, kill_it):
    """EndTxn(commit) of N is held; its repeat commits N; it arrives when half of N+1 is written, with the offsets."""
    late = proxy.hold(api=END_TXN, match=commits, skip=WARM)
    repeats = proxy.watch(on="answer", api=END_TXN, match=well)
    third = None
    await late.caught()
    while not repeats.frames.empty():
        repeats.frames.get_nowait()
    third = proxy.hold(stall=True, api=PRODUCE, skip=2)
    produced = proxy.watch(on="answer", api=PRODUCE)
    offsets = proxy.watch(on="answer", api=TXN_OFFSET_COMMIT, match=well)
    await broken_off(late)
    await repeats.next()
    await third.caught()
    await produced.next()
    await produced.next()
    try:
        await offsets.next(1.0)
    except asyncio.TimeoutError:
        pass  # a client that flushes first sends no offsets while records are on their way
    answer = await late.deliver()
    if kill_it:
        subject.kill()
        await asyncio.sleep(0.02)
        third.frame.link.reset()
    third.release()
    proxy.forget(repeats, produced, offsets)
    return answer.codes


async def x1(proxy, subject):
    return await half_written(proxy, subject, True)


async def x2(proxy, subject):
    return await half_written(proxy, subject, False)


async def all_written(proxy, subject, late, kill_it):
    """The held end of N arrives when N+1 is written and its offsets are about to be added."""
    # A client whose end of N took too long begins anew with its producer, which ends N too.
    repeats = proxy.watch(on="answer", api=[END_TXN, INIT_PRODUCER_ID], match=well)
    await late.caught()
    while not repeats.frames.empty():
        repeats.frames.get_nowait()
    written = []
    # A client that does not flush asks for its offsets at once; it is put off until all records are there.
    offsets = proxy.hold(stall=True, api=ADD_OFFSETS, match=lambda frame: written)
    early = Rule(error(CONCURRENT_TRANSACTIONS), api=ADD_OFFSETS, match=lambda frame: not written, times=None)
    proxy.rules.append(early)
    produced = proxy.watch(on="answer", api=PRODUCE)
    await broken_off(late)
    await repeats.next()
    await produced.next()
    await quiet(produced)
    written.append(True)
    await offsets.caught()
    answer = await late.deliver()
    if kill_it:
        subject.kill()
        await asyncio.sleep(0.02)
        offsets.frame.link.reset()
    offsets.release()
    proxy.forget(repeats, produced)
    return answer.codes


async def x3(proxy, subject):
    """EndTxn(abort) of N held. The abort is asked for by a refused TxnOffsetCommit, as when the group moved on."""
    late = proxy.hold(api=END_TXN, match=aborts)
    proxy.rules.append(Rule(error(ILLEGAL_GENERATION), api=TXN_OFFSET_COMMIT, skip=WARM))
    return await all_written(proxy, subject, late, False)


async def x3_own(proxy, subject):
    """As x3, for a client that aborts by itself."""
    return await all_written(proxy, subject, proxy.hold(api=END_TXN, match=aborts), False)


async def x4(proxy, subject):
    """TxnOffsetCommit of N arrives just before EndTxn of N+1: the committed offset goes back to that of N."""
    late = proxy.hold(api=TXN_OFFSET_COMMIT, skip=WARM)
    await late.caught()
    ended = proxy.hold(stall=True, api=END_TXN, skip=1)
    seen = proxy.hold(stall=True, on="answer", api=END_TXN, skip=1)
    await broken_off(late)
    await ended.caught()
    answer = await late.deliver()
    ended.release()
    await seen.caught()
    subject.kill()
    seen.release()
    return answer.codes


async def x5(proxy, subject):
    return await all_written(proxy, subject, proxy.hold(api=END_TXN, match=commits, skip=WARM), True)


async def x6(proxy, subject):
    """An EndTxn is left without an answer, so that the producer is replaced; the InitProducerId of that is held,
    repeated by the client, and arrives two transactions later: it fences the producer that is in use."""
    lost = proxy.hold(api=END_TXN, match=commits, skip=WARM)
    await lost.caught()
    late = proxy.hold(api=INIT_PRODUCER_ID)
    await broken_off(lost)
    await broken_off(late)
    ends = proxy.watch(on="answer", api=END_TXN, match=well)
    await ends.next()
    await ends.next()
    answer = await late.deliver()
    proxy.forget(ends)
    return answer.codes


SCHEDULES = {"x1": x1, "x2": x2, "x3": x3, "x4": x4, "x5": x5, "x6": x6}
