"""`bullmq`, a queue of jobs that is kept by large scripts (JSON, MessagePack, streams). Prints what became of the jobs."""

import asyncio

import redis.asyncio
from bullmq import FlowProducer, Queue, Worker

from connection import OPTIONS, URL


def connect():
    return redis.asyncio.Redis.from_url(URL, decode_responses=True, **OPTIONS)


STATES = ["waiting", "active", "delayed", "prioritized", "completed", "failed", "paused", "waiting-children"]


async def counts(queue):
    found = await queue.getJobCounts(*STATES)
    return {state: found[state] for state in sorted(found) if found[state]}


async def work(name, process, count):
    """Processes so many jobs of a queue, one after another. Returns their names and ends in order."""
    ends, done = [], asyncio.Event()

    def end(kind):
        def told(job, *_):
            ends.append((kind, job.name))
            if len(ends) == count:
                done.set()

        return told

    worker = Worker(name, process, {"connection": connect(), "autorun": False})
    for kind in ["completed", "failed"]:
        worker.on(kind, end(kind))
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(done.wait(), 60)
    await worker.close(force=True)
    running.cancel()
    return ends


async def main():
    queue = Queue("jobs", {"connection": connect()})
    await queue.pause()
    jobs = {}
    for name, options in [
        ("plain", {}),
        ("urgent", {"priority": 1}),
        ("late", {"delay": 3_600_000}),
        ("lesser", {"priority": 9}),
        ("named", {"jobId": "chosen"}),
        ("twice", {"attempts": 2}),
        ("first", {"lifo": True}),
        ("removed", {"removeOnComplete": True}),
        ("hopeless", {}),
    ]:
        jobs[name] = await queue.add(name, {"of": name, "list": [1, 2.5, None, True, "ü"]}, options)
    await queue.add("named", {"again": True}, {"jobId": "chosen"})
    await queue.addBulk([{"name": f"bulk{n}", "data": {"n": n}} for n in range(3)])
    print("added", await counts(queue), await queue.isPaused())
    print(await queue.getCountsPerPriority([0, 1, 9]), [await job.getState() for job in jobs.values()])
    await jobs["lesser"].changePriority({"priority": 2})
    await jobs["late"].promote()
    await jobs["plain"].updateData({"new": "data"})
    await jobs["plain"].updateProgress(42)
    await queue.remove(jobs["hopeless"].id)
    await queue.resume()
    print("ready", await counts(queue))

    tries = []

    async def process(job, token):
        tries.append(job.name)
        if job.name == "twice":
            raise ValueError(f"attempt {job.attemptsMade}")
        return {"data": job.data, "progress": job.progress}

    # Both attempts of one job are told.
    ends = await work("jobs", process, 12)
    print("ends", sorted(ends), sorted(tries))
    print("done", await counts(queue), [await job.getState() for job in jobs.values()])
    for state in ["completed", "failed"]:
        for job in sorted(await queue.getJobs([state]), key=lambda job: job.name):
            print(state, job.name, job.data, job.returnvalue, job.failedReason, job.attemptsMade, job.progress)
    await queue.retryJobs({"state": "failed"})
    print("retried", await counts(queue))
    print(len(await queue.clean(0, 4, "completed")), await counts(queue))
    await queue.drain()
    print("drained", await counts(queue))

    flows = FlowProducer({"connection": connect()})
    tree = {
        "name": "parent",
        "queueName": "flow",
        "data": {},
        "children": [{"name": f"child{n}", "queueName": "flow", "data": {"n": n}} for n in range(3)],
    }
    flow = Queue("flow", {"connection": connect()})
    parent = (await flows.add(tree))["job"]
    print("flow", await counts(flow), await parent.getState())

    async def add(job, token):
        if job.name == "parent":
            return sum((await job.getChildrenValues()).values())
        return job.data["n"] + 1

    ends = await work("flow", add, 4)
    print(ends[-1], sorted(ends), await counts(flow), (await flow.getJob(parent.id)).returnvalue)
    for each in [queue, flow]:
        await each.obliterate(True)
        print(await counts(each))
        await each.close()
    await flows.close()


asyncio.run(main())
