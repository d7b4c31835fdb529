"""The notebook's stop button, through a real kernel."""

import time

import pytest
from jupyter_client.manager import start_new_kernel

LOOP = """
import hfedu
print("running", flush=True)
hfedu.boot(hfedu.RamDisk(b"\\x00\\x00\\x00\\x14"), max_seconds=None)
"""


def outputs(client, request):
    """What a cell printed or raised, until the kernel is idle again."""
    texts = []
    while True:
        message = client.get_iopub_msg(timeout=30)
        if message["parent_header"].get("msg_id") != request:
            continue
        content = message["content"]
        texts.append(content.get("text") or content.get("ename") or "")
        if content.get("execution_state") == "idle":
            return "".join(texts)


@pytest.mark.slow
def test_interrupting_the_kernel_stops_an_endless_guest_and_leaves_it_usable():
    manager, client = start_new_kernel()
    try:
        request = client.execute(LOOP)
        while client.get_iopub_msg(timeout=30)["content"].get("text") != "running\n":
            pass
        time.sleep(0.5)
        manager.interrupt_kernel()
        assert outputs(client, request) == "KeyboardInterrupt"
        again = client.execute(
            "print(hfedu.boot(hfedu.RamDisk(b'\\x00\\x00\\x00\\x14'), max_instructions=100).outcome)"
        )
        assert outputs(client, again) == "The guests used up their 100 instructions.\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
