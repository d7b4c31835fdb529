"""The player as an HTML file, in a real browser without a network: every view, search, keyboard, sizes, scale."""

import json
import random
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import PICTURES, now, raw, tab
from runs import crowd, pingpong, refusals, relay
from test_board import preempting
from test_explorer import RACE
from test_smp import boot as two_cpus

import hfedu
from hfedu.files import asset
from hfedu.run.words import change_rows
from hfedu.view.answers import answer
from hfedu.view.player import player_data
from hfedu.view.rows import row_label, row_of


def test_the_file_plays_without_a_network_and_nothing_in_it_breaks_out(open_page):
    run = refusals()
    page = open_page(run)
    assert page.title() == run.title
    assert page.locator(".hfedu h2").inner_text() == run.title
    page.keyboard.press("End")
    last = len(run.events) - 1
    assert now(page).startswith(str(last))
    assert page.url.endswith(f"#{last}")
    assert page.requests == [page.url.partition("#")[0]]
    text = run.to_html()
    assert not re.search(r"(?:src|href)=[\"']?(?!data:)\w", text.partition("<script")[0])
    assert text.count("</script>") == 3


def test_the_address_names_an_event_and_a_wrong_one_is_a_sentence(open_page):
    run = relay()
    assert now(open_page(run, at=23)) == "23 VM 1 wakes up"
    page = open_page(run, at=999_999)
    assert f"there is no event 999999: this run has events 0 to {len(run.events) - 1}" in now(page)
    page.locator("input[type=number]").fill("-3")
    page.keyboard.press("Enter")
    assert "there is no event -3" in now(page)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert now(page).startswith("1 ")


def test_one_position_drives_every_view(open_page):
    run = relay()
    page = open_page(run)
    for seq in (11, 23, 33, len(run.events) - 1):
        choose(page, seq)
        assert now(page).startswith(f"{seq} ")
        assert tab(page, "Events").locator("[aria-current=true] .seq").inner_text() == str(seq)
        assert page.locator("input[type=range]").input_value() == str(seq)
        assert page.locator(f"svg .hit[data-seq='{seq}']").count() == 1
        changed = tab(page, "Changed").inner_text()
        state = run.at(seq)
        for row in change_rows(run.events[seq]):
            assert row[0] in changed
        for cause in run.events[seq].causes:
            assert f"event {cause.seq}" in changed
        states = tab(page, "State")
        current = state["cpu0.current"]
        assert f"runs VM {current.vm} vCPU 0" in states.inner_text()
        for vm in range(3):
            mailbox = states.locator(f"[data-path='vm{vm}.mailbox.state']").inner_text()
            assert state[f"vm{vm}.mailbox.state"] in mailbox
        printed = [line for line in run.uart[: run.events[seq].uart].splitlines() if line]
        shown = tab(page, "Serial").inner_text()
        assert all(line in shown for line in printed)
        assert not any(line in shown for line in run.uart.splitlines()[len(printed) + 1 :] if line not in printed)
        registers = tab(page, "Registers").inner_text()
        for vcpu, _, _ in run.events[seq].registers:
            assert f"all registers of VM {vcpu.vm} vCPU 0" in registers


def test_a_tab_with_news_for_this_event_says_so(open_page):
    page = open_page(relay(), at=22)
    for seq, tabs in {22: ["Changed"], 21: ["Registers", "Serial"], 2: ["Changed", "Memory"]}.items():
        choose(page, seq)
        news = [each.inner_text() for each in page.locator(".tab.news").all()]
        assert set(tabs) <= set(news), (seq, news)


def test_who_runs_who_waits_and_what_wakes_it(open_page):
    page = open_page(refusals(), at=len(refusals().events) - 1)
    sleeper = page.locator("[data-path='vm2.vcpu0.state']")
    assert "sleeps (WFI)" in sleeper.inner_text()
    assert "only an interrupt wakes it, no message" in sleeper.inner_text()
    page = open_page(relay(), at=20, width=936)  # what a laptop leaves
    heights = [row.bounding_box()["height"] for row in page.locator(".state-row > :is(.is, .more-of-it)").all()]
    assert max(heights) < 32, "no line wraps"
    waiting = page.locator("[data-path='vm2.vcpu0.state']")
    assert "waits for a message" in waiting.inner_text()
    assert "a send to VM 2 wakes it" in waiting.inner_text()
    assert "BLOCKED_INTERRUPT" not in page.locator(".side").inner_text(), "what the machine calls it is in the tooltip"
    assert "BLOCKED_INTERRUPT" in waiting.locator("[title]").first.get_attribute("title")
    running = page.locator("[data-path='vm0.vcpu0.state']").inner_text()
    assert "running" in running
    assert "on CPU 0" in running
    assert "since 20" in running


def test_the_heads_of_the_lifelines_say_how_each_vcpu_is_now(open_page):
    for run, at, says in (
        (relay(), 20, ["running", "waits: message", "waits: message"]),
        (relay(), 23, ["running", "ready", "waits: message"]),
        (relay(), 13, ["ready", "leaves the CPU", "ready"]),
        (refusals(), 22, ["running", "ready", "WFI: sleeps"]),
    ):
        page = open_page(run, at=at)
        heads = page.locator(".lane-head")
        assert [head.get_attribute("title").split(": ", 1)[1].split(", ")[0] for head in heads.all()[1:]] == says
        shown = [head.locator(".how").inner_text() for head in heads.all()[1:]]
        assert all(word and says[i].startswith(word[:4]) for i, word in enumerate(shown)), shown


def test_next_and_previous_change_of_a_thing_and_every_name_of_an_event_goes_there(open_page):
    run = relay()
    page = open_page(run, at=5)
    mailbox = [e.seq for e in run.events if e.change("vm1.mailbox.state")]
    for seq in [seq for seq in mailbox if seq > 5]:
        page.get_by_label("next change of VM 1 mailbox", exact=True).first.click()
        assert now(page).startswith(f"{seq} ")
    page.keyboard.press("[")
    assert now(page).startswith(f"{mailbox[-2]} ")
    assert "VM 1 mailbox changed here" in now(page)
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert f"VM 1 mailbox does not change after event {mailbox[-1]}" in now(page)
    page.get_by_label("previous change of VM 2 vCPU 0", exact=True).first.click()
    vcpu = [e.seq for e in run.events if e.change("vm2.vcpu0.state") and e.seq < mailbox[-1]]
    assert now(page).startswith(f"{vcpu[-1]} ")
    choose(page, 21)
    tab(page, "Registers")
    page.get_by_label("registers of").select_option("vm1.vcpu0")
    page.get_by_label("next change of VM 1 vCPU 0 pc", exact=True).first.click()
    values = [run.at(seq).get("vm1.vcpu0.pc", 0) for seq in range(21, len(run.events))]
    changed = next(i for i, (old, new) in enumerate(pairwise(values), 22) if old != new)
    assert now(page).startswith(f"{changed} ")
    tab(page, "Memory")
    page.get_by_label("previous change of page of VM 1 stage2", exact=True).click()
    loaded = next(e.seq for e in run.events if e.change("vm1.stage2"))
    assert now(page).startswith(f"{loaded} ")
    choose(page, 33)
    page.locator(".now .link").click()
    assert now(page).startswith("31 "), "the call that the event is part of"
    choose(page, 33)
    tab(page, "Changed").locator(".causes .link").last.click()
    assert now(page).startswith(f"{run.events[33].causes[-1].seq} ")
    tab(page, "State").locator("[data-path='vm2.mailbox.state'] .link").click()
    assert run.events[int(now(page).split()[0])].change("vm2.mailbox.state")
    page.keyboard.press("End")
    tab(page, "Serial").locator("button", has_text="I send").click()
    at = int(now(page).split()[0])
    assert "I send" in run.uart[run.events[at - 1].uart : run.events[at].uart]


def choose(page, event):
    page.locator("input[type=number]").fill(str(event))
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def lit(page):
    return page.locator(".detail .source .lit").inner_text().split(maxsplit=2)


def test_an_event_opens_into_steps_and_instructions_and_out_to_where_one_was(open_page):
    run = relay()
    page = open_page(run, at=21)
    keys, where, detail = page.keyboard, page.locator(".depth [role=status]"), page.locator(".detail")
    stood = page.locator(".picture").evaluate("e => e.scrollTop")
    keys.press("d")
    assert page.locator(".picture").is_visible()
    assert where.inner_text().startswith("event 21 › its guest")
    steps = run.steps(21)
    for number, (step, row) in enumerate(zip(steps, steps.rows, strict=True), 1):
        keys.press("ArrowRight")
        assert where.inner_text() == f"event 21 › step {number} of {len(steps)}\n: {step}"
        assert page.locator(".steps [aria-current=true]").inner_text().split(maxsplit=1) == [str(number), str(step)]
        assert lit(page) == ["▸", str(step.place.line), step.place.text]
        assert f"Locks held then: {row.locks or 'none'}" in detail.inner_text()
        for what, old, new in row.changed:
            assert f"{what}\t{old} → {new}" in detail.inner_text()
    keys.press("ArrowDown")
    assert "there is nothing after this" in now(page)
    assert now(page).startswith("21 "), "the arrows move in the depth, not among the events"
    keys.press("Home")
    keys.press("Enter")
    found = run.instructions(21, limit=40)
    keys.press("End")
    assert where.inner_text().startswith(f"event 21 › instruction {found.left_out + 40} of {found.left_out + 40}")
    assert "hvc #0" in detail.inner_text()
    keys.press("PageUp")
    moved = next(i for i in range(39, 0, -1) if found[i].changes)
    page.locator(".steps button", has_text=found[moved].text).last.click()
    row = found.rows[moved]
    assert [f"{what}\t{old} → {new}" in detail.inner_text() for what, old, new in row.changed] == [True]
    keys.press("Escape")
    assert where.inner_text().startswith("event 21 › its guest")
    keys.press("Escape")
    assert where.inner_text() == ""
    assert now(page).startswith("21 ")
    assert page.locator(".picture").evaluate("e => e.scrollTop") == stood
    page.screenshot(path=PICTURES / "page-events.png")


def test_the_steps_of_an_event_stand_in_the_picture_with_the_locks_that_are_held(open_page):
    """Between the call and what it did; what stood above stays where it was, and all that comes after moves down."""
    run = refusals()
    seq = next(e.seq for e in run.events if e.kind is hfedu.Kind.DELIVER) - 1
    page = open_page(run, at=seq)

    def y(row):
        return page.locator(f"svg .hit[{row}]").bounding_box()["y"]

    before = {each: y(f"data-seq='{each}'") for each in (seq - 1, seq, seq + 1)}
    page.keyboard.press("d")
    steps = run.steps(seq)
    page.locator("svg .hit[data-step='0']").wait_for()
    assert page.locator("svg .hit[data-step]").count() == len(steps)
    row = y("data-step='1'") - y("data-step='0'")
    for each, stood in before.items():
        assert y(f"data-seq='{each}'") == stood + (each > seq) * row * len(steps)
    assert [y(f"data-step='{i}'") for i in range(len(steps))] == [
        before[seq] + row * (i + 1) for i in range(len(steps))
    ]
    full = page.locator("svg .mail.READ.future, svg .mail.RECEIVED.future").first.bounding_box()
    assert full["y"] > y(f"data-step='{len(steps) - 1}'"), "nothing is drawn before it is so"
    taken = [step.target for step in steps if step.kind == "acquire"]
    assert page.locator(".tall .line.lock").count() == len(taken) > 0
    for number, step in enumerate(steps):
        page.keyboard.press("ArrowRight")
        assert page.locator("svg text.at.lab").text_content() == str(step)
        assert page.locator("svg .wash").bounding_box()["y"] == y(f"data-step='{number}'")
    page.keyboard.press("Home")
    page.keyboard.press("d")
    assert "› line 1 of" in page.locator(".depth [role=status]").inner_text()
    assert page.locator("svg .hit[data-step]").count() == len(steps), "a depth below leaves them open"
    page.locator("svg .hit[data-step='1']").click()
    assert "step 2 of" in page.locator(".depth [role=status]").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("svg .hit[data-step]").count() == 0
    assert {each: y(f"data-seq='{each}'") for each in before} == before
    two = two_cpus("every 1")
    calls = [event.seq for event in two.events if event.kind is hfedu.Kind.HYPERCALL]
    at = next(seq for seq in calls if any(step.others for step in two.steps(seq)))
    page = open_page(two, at=at)
    page.keyboard.press("d")
    mine = [step.target for step in two.steps(at) if step.kind == "acquire"]
    page.locator("svg .hit[data-step='0']").wait_for()
    assert page.locator(".tall .line.lock").count() == len(mine)
    page.screenshot(path=PICTURES / "page-steps.png")


def test_what_is_printed_is_the_whole_run_and_fits_the_paper(open_page):
    run = relay()
    page = open_page(run, at=32, dark=True)
    drawn = page.locator("svg .hit[data-seq]")
    on_screen = drawn.count()
    assert on_screen < len(run.events)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert drawn.count() == len(run.events)
    assert page.locator(".hfedu").bounding_box()["width"] <= 700
    assert page.locator(".tall > svg").bounding_box()["width"] <= 700
    below = page.locator(".side").bounding_box()["y"]
    last = drawn.last.bounding_box()
    assert below >= last["y"] + last["height"] - 1, "the state stands below the last event"
    style = "(e, name) => getComputedStyle(e).getPropertyValue(name)"
    assert page.locator(".hfedu").evaluate(style, "--paper") == "#fff", "paper is white, whatever the theme is"
    assert page.locator(".states .glyph").first.evaluate(style, "print-color-adjust") == "exact"
    signs = page.locator(".legend").evaluate("e => [...e.children].map(c => c.getBoundingClientRect().bottom)")
    foot = page.locator(".foot").bounding_box()
    assert max(signs) <= foot["y"] + foot["height"], "no sign is left out"
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert drawn.count() == on_screen


def test_a_vm_to_which_nothing_happens_in_view_recedes(open_page):
    run = crowd(12, 60)
    page = open_page(run, at=40)
    idle = page.locator(".lane-head.idle b").all_inner_texts()
    assert "0" in idle
    assert "11" in idle
    busy = {row_of(run.events[seq])["lane"].removeprefix("vm").split(".")[0] for seq in range(30, 41)}
    assert len(busy - {""}) > 1
    assert not busy & set(idle)
    page.keyboard.press("End")
    assert page.locator(".lane-head.idle b").all_inner_texts() != idle


def test_going_to_another_event_keeps_the_depth_and_play_leaves_it(open_page):
    run = relay()
    page = open_page(run, at=21)
    where = page.locator(".depth [role=status]")
    page.keyboard.press("d")
    page.locator("svg .hit[data-seq='23']").click()
    assert now(page).startswith("23 ")
    assert where.inner_text().startswith("event 23 › its guest")
    page.keyboard.press("End")
    assert str(run.steps(23)[-1]) in page.locator(".steps [aria-current=true]").inner_text()
    choose(page, 0)
    assert "No trap led to this event, so it has no atomic steps." in page.locator(".detail").inner_text()
    choose(page, 21)
    assert where.inner_text().startswith("event 21 › its guest")
    page.keyboard.press(" ")
    page.locator(".code .piece").first.wait_for()
    page.keyboard.press(" ")
    assert where.inner_text() == ""
    choose(page, 25)
    tab(page, "Events").locator("[aria-current=true]").focus()
    page.keyboard.press("Enter")
    assert where.inner_text().startswith("event 25 › its guest")
    page.locator(".steps button").first.dblclick()
    assert where.inner_text().startswith("event 25 › instruction 1 of 5")


def test_a_script_opens_into_its_own_lines_and_two_cpus_show_the_locks_of_each(open_page):
    run = refusals()
    page = open_page(run, at=17)
    page.keyboard.press("d")
    page.get_by_role("button", name="instructions of the guest up to this event (D)").click()
    page.keyboard.press("End")
    assert lit(page)[2] == 'yield send(1, "two")'
    assert "calls HF_MAILBOX_SEND(VM 1, 3 bytes)" in page.locator(".detail").inner_text()
    run = two_cpus("every 1")
    rows = [(e.seq, i, row) for e in run.events for i, row in enumerate(run.steps(e.seq).rows, 1)]
    seq, number, row = next((seq, i, row) for seq, i, row in rows if "CPU 0" in row.locks and "CPU 1" in row.locks)
    page = open_page(run, at=seq)
    page.keyboard.press("d")
    for _ in range(number):
        page.keyboard.press("ArrowRight")
    assert f"Locks held then: {row.locks}" in page.locator(".detail").inner_text()
    page.screenshot(path=PICTURES / "page-locks.png")


def answers(page):
    """The sentences of an answered Why?, without the numbers beside them."""
    return [each.inner_text() for each in page.locator(".why li > span:not(.cause-badge)").all()]


def test_why_says_the_causes_and_each_leads_to_its_event(open_page):
    run = refusals()
    refused = next(e.seq for e in run.events if e.result == 2**64 - 1)
    page = open_page(run, at=refused)
    page.keyboard.press("w")
    causes = page.locator(".why li")
    assert answers(page) == [link.sentence for link in run.why(refused)]
    for i, link in enumerate(run.why(refused)):
        if link.seq is None:  # what helps leads nowhere
            assert causes.nth(i).get_by_role("button").count() == 0
            continue
        causes.nth(i).get_by_role("button").click()
        assert now(page).startswith(f"{link.seq} ")
    page.locator(".why b button").click()
    assert now(page).startswith(f"{refused} ")
    page.keyboard.press("ArrowRight")
    assert page.locator(".why").is_hidden(), "it closes where one goes elsewhere"
    assert page.get_by_role("button", name="Why? (W)").is_hidden()
    page.keyboard.press("w")
    assert "nothing was refused here" in now(page)
    for seq in (22, 29):
        choose(page, seq)
        page.get_by_label("Why? VM 2 vCPU 0 does not run").click()
        assert answers(page) == [link.sentence for link in run.why(seq, "vm2.vcpu0")]
    assert "Nothing will wake it" in page.locator(".why").inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".why").is_hidden()


def test_what_a_file_does_not_hold_is_a_sentence(open_page):
    def guesses():
        yield hfedu.hvc(random.getrandbits(60))

    for run, says in (
        (pingpong(200), "A file answers this for runs of up to 300 events, and this one has"),
        (hfedu.boot(hfedu.RamDisk(guesses)), "This run does not repeat itself, event 3 comes out differently"),
        (crowd(3, 4), "Only what a Machine recorded can be looked into"),
    ):
        page = open_page(run, at=4)
        page.keyboard.press("d")
        assert says in page.locator(".detail").inner_text()
        assert says in page.locator(".depth [role=status]").inner_text()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowRight")
        assert now(page).startswith("5 ") or len(run.events) == 5


WIDGET = """async ([source, data, position]) => {
    const { default: { render } } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const values = { data, position }, heard = {}, el = document.body.appendChild(document.createElement("div"));
    window.sent = [];
    window.answer = (message) => heard["msg:custom"](message);
    render({ el, model: { get: (name) => values[name], set: (name, value) => { values[name] = value; },
        save_changes: () => {}, send: (message) => window.sent.push(message),
        on: (name, action) => { heard[name] = action; }, off: () => {} } });
    document.querySelector("main").remove();
}"""


def test_a_kernel_that_is_slow_or_wrong_is_a_sentence_and_is_asked_once_at_a_time(open_page):
    run = relay()
    page = open_page(run, bypass_csp=True)  # a widget lives in JupyterLab, whose policy is not that of our page
    page.clock.install()
    page.evaluate(WIDGET, [asset("player.js").read_text(), player_data(run), 4])
    player, detail = page.locator(".hfedu"), page.locator(".detail")

    def asked():
        return [message for message in page.evaluate("window.sent") if message["ask"] != "code"]

    player.focus()
    page.keyboard.press("d")
    assert detail.inner_text() == "The kernel looks…"
    page.locator("input[type=range]").fill("21")
    page.locator("input[type=range]").fill("25")
    assert [(m["ask"], m["seq"]) for m in asked()] == [("steps", 4)], "one question at a time"
    page.evaluate("answer => window.answer(answer)", {**answer(run, "steps", 4), "id": asked()[0]["id"]})
    assert [(m["ask"], m["seq"]) for m in asked()] == [("steps", 4), ("steps", 25)], "then for what is shown now"
    page.clock.run_for(10_000)
    assert "The kernel has not answered yet. It may be busy with another cell" in detail.inner_text()
    page.evaluate("window.answer({ ask: 'steps', seq: 25, id: 'nobody asked', rows: [] })")
    page.evaluate("window.answer(null)")
    assert "has not answered yet" in detail.inner_text()
    page.evaluate("answer => window.answer(answer)", {"id": asked()[1]["id"], "rows": "none"})
    assert "The kernel's answer cannot be read" in detail.inner_text()
    player.focus()
    page.keyboard.press("Escape")
    page.locator("input[type=range]").fill("21")
    player.focus()
    page.keyboard.press("d")
    page.evaluate("answer => window.answer(answer)", {**answer(run, "steps", 21), "id": asked()[2]["id"]})
    assert page.locator(".steps button").count() == len(run.steps(21)) + 1
    page.keyboard.press("Enter")
    page.evaluate("answer => window.answer(answer)", {"error": "the machine is on fire", "id": asked()[3]["id"]})
    assert detail.inner_text() == "the machine is on fire"
    page.keyboard.press("Escape")
    assert page.locator(".steps button").count() == len(run.steps(21)) + 1, "what is known is not asked again"
    assert len(asked()) == 4


def test_two_runs_stand_under_one_head_and_go_together(open_page):
    first, second = refusals(), refusals(again=False)
    compared = first.compare(second)
    page = open_page(compared, at=compared.here)
    here, there = page.locator(".hfedu").all()
    head, said = page.locator(".common"), page.locator(".common [role=status]")
    assert compared.sentence in head.inner_text()
    assert now(here).startswith(f"{compared.here} ")
    assert said.inner_text() == f"event {compared.here} happens only here (left)"
    there_of = {row.here: row.there for row in compared.rows if row.there is not None}
    here.focus()
    for seq in range(compared.here + 1, len(first.events)):
        page.keyboard.press("ArrowRight")
        assert now(here).startswith(f"{seq} ")
        if seq not in there_of:
            assert said.inner_text() == f"event {seq} happens only here (left)"
            continue
        assert now(there).startswith(f"{there_of[seq]} ")
        assert said.inner_text() == f"event {seq} is event {there_of[seq]}: the same happens"
    there.focus()
    page.keyboard.press("Home")
    assert now(here).startswith("0 ")
    page.get_by_role("button", name="where they part").click()
    assert now(here).startswith(f"{compared.here} ")
    page.screenshot(path=PICTURES / "page-compared.png")
    page.get_by_role("button", name="together").click()
    here.focus()
    page.keyboard.press("Home")
    assert now(there).startswith(f"{compared.here - 1} "), "no longer together"
    here.get_by_label("jump to event number").fill(str(compared.here))
    page.keyboard.press("Enter")
    here.get_by_role("button", name="Why? (W)").click()
    assert answers(here) == [link.sentence for link in first.why(compared.here)]
    there.focus()
    page.keyboard.press("d")
    page.keyboard.press("ArrowRight")
    steps = second.steps(compared.here - 1)
    assert f"step 1 of {len(steps)}" in there.locator(".depth [role=status]").inner_text()
    assert here.locator(".picture").is_visible()
    results = Axe().run(page)
    assert not results.response["violations"], results.generate_report()


def test_search_finds_counts_and_steps(open_page):
    run = refusals()
    page = open_page(run)
    found = page.locator(".find [role=status]")
    page.keyboard.press("/")
    page.keyboard.type("mailbox_send")
    sends = [e.seq for e in run.events if "HF_MAILBOX_SEND" in run.transcript(e.seq, e.seq)]
    assert found.inner_text() == f"{len(sends)} found"
    page.keyboard.press("Enter")
    assert now(page).startswith(f"{sends[0]} ")
    assert found.inner_text() == f"1 of {len(sends)}"
    page.keyboard.press("Escape")
    assert page.get_by_label("search events for text").input_value() == "mailbox_send"
    page.keyboard.press("n")
    assert now(page).startswith(f"{sends[1]} ")
    page.keyboard.press("n")
    assert f"no event found after event {sends[1]}" in now(page)
    page.keyboard.press("p")
    assert now(page).startswith(f"{sends[0]} ")
    page.get_by_label("search events for text").fill("send returns")
    page.get_by_label("result", exact=True).select_option("bad")
    assert found.inner_text() == "1 found"
    page.get_by_label("search events for text").fill("")
    page.get_by_label("result", exact=True).select_option("")
    page.get_by_label("kind of event").select_option("wfi")
    page.get_by_label("next event found (N)").click()
    assert "waits for an interrupt (WFI)" in raw(page)
    page.get_by_label("kind of event").select_option("hypercall")
    page.get_by_label("VM", exact=True).select_option("vm1")
    of_vm1 = [e for e in run.events if e.kind is hfedu.Kind.HYPERCALL and (e.actor is not None and e.actor.vm == 1)]
    assert found.inner_text().endswith(f"{len(of_vm1)} found")
    page.get_by_label("search events for text").fill("no such thing")
    assert found.inner_text() == "no event found"


def test_everything_by_keyboard(open_page):
    run = relay()
    page = open_page(run)
    keys = page.keyboard
    keys.press("?")
    described = page.locator(".help").inner_text()
    for name in ("Page Down", "Home, End", "Space", "/", "N, P", "], [", "B", "F", "?"):
        assert name in described
    keys.press("Escape")
    assert page.locator(".help").is_hidden()
    keys.press("PageDown")
    keys.press("b")
    assert now(page).startswith(f"{run.events[10].cause} ")
    reached = set()
    for _ in range(120):
        keys.press("Tab")
        name = page.evaluate("""() => { const e = document.activeElement;
            if (e === document.body) return "";
            const style = getComputedStyle(e);
            const seen = style.outlineStyle !== "none" || style.boxShadow !== "none";
            return (seen ? "" : "NO FOCUS RING ") + (e.getAttribute("aria-label") || e.textContent).slice(0, 60); }""")
        reached.add(name)
    assert not [name for name in reached if "NO FOCUS RING" in name]
    controls = {
        "first event (Home)",
        "play or pause (space)",
        "jump to event number",
        "event",
        "signs and keys (?)",
        "full window (Z)",
    }
    controls |= {"search events for text", "sequence diagram", "next change of VM 0 mailbox", "State (1)", "VM"}
    assert controls <= reached
    page.get_by_label("next change of VM 1 mailbox", exact=True).first.focus()
    keys.press("Enter")
    keys.press("Enter")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "next change of VM 1 mailbox", "the keyboard keeps its place"


def no_barrier(page):
    results = Axe().run(page)
    assert not results.response["violations"], results.generate_report()
    assert len(results.response["passes"]) > 20


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 1000, 360])
def test_axe_finds_nothing(open_page, dark, width):
    for run, at in ((relay(), 30), (crowd(12, 40), 30), (two_cpus("every 1"), 20), (refusals(), 14)):
        page = open_page(run, at=at, dark=dark, width=width)
        for name in ("Changed", "Registers", "Memory", "Serial", "Events", "State"):
            tab(page, name)
            no_barrier(page)
        page.get_by_label("search events for text").fill("VM")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        page.keyboard.press("w")
        no_barrier(page)
        page.keyboard.press("Escape")
        page.keyboard.press("d")
        page.keyboard.press("ArrowRight")
        no_barrier(page)
        page.get_by_role("button", name="instructions of the guest up to this event (D)").click()
        no_barrier(page)
        page.screenshot(path=PICTURES / f"page-axe-{width}{'-dark' * dark}-{at}.png")


@pytest.mark.parametrize(("width", "height"), [(360, 800), (320, 256)], ids=["360 px", "400 % zoom"])
def test_small_screens_lose_nothing(open_page, width, height):
    page = open_page(relay(), at=31, width=width, height=height)
    for here in ("", " › its guest", " › instruction"):
        assert here in page.locator(".depth [role=status]").inner_text()
        nothing_is_lost(page, width)
        page.keyboard.press("d")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    page.evaluate("document.querySelector('.source .lit').scrollIntoView()")
    page.screenshot(path=PICTURES / f"page-small-{width}.png")
    nothing_is_lost(page, width)
    page.keyboard.press("Escape")
    page.get_by_label("one event on (right arrow)").click()
    page.get_by_label("one event on (right arrow)").click()
    assert now(page).startswith("33")
    label = page.locator(".tall svg text", has_text="wakes up").last.bounding_box()
    assert label["x"] >= 0
    assert label["x"] + label["width"] <= width, "the diagram follows to the lifeline of the event"


def nothing_is_lost(page, width):
    """Nothing stands outside a small screen, and what can be pressed is large enough."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.evaluate("""() => [...document.querySelectorAll(".hfedu :is(button, input, select, summary)")]
        .map((e) => [e.getAttribute("aria-label") || e.textContent, e.getBoundingClientRect()])
        .filter(([, box]) => box.width)
        .map(([name, { left, right, width, height }]) => ({ name, left, right, width, height }))""")
    assert len(boxes) > 20
    for box in boxes:
        assert box["left"] >= 0, box
        assert box["right"] <= width, box
        assert min(box["width"], box["height"]) >= 24, box


def test_reduced_motion_and_no_motion_at_all(open_page):
    page = open_page(relay(), reduced_motion="reduce")
    page.keyboard.press("End")
    assert page.evaluate("document.getAnimations().length") == 0
    moving = page.evaluate("""() => [...document.querySelectorAll(".hfedu, .hfedu *")].filter((e) => {
        const s = getComputedStyle(e);
        return s.scrollBehavior === "smooth" || parseFloat(s.transitionDuration) || s.animationName !== "none";
        }).length""")
    assert moving == 0


@pytest.mark.parametrize("make", [relay, refusals, lambda: pingpong(60)], ids=["relay", "refusals", "ping-pong"])
def test_transcript_list_and_picture_hold_the_same_facts(open_page, make):
    run = make()
    page = open_page(run, height=1200)
    lines = run.transcript().splitlines()[1:]
    events = tab(page, "Events")
    page.locator(".hfedu").focus()
    for event in run.events[:60]:
        row = events.locator(f"[aria-posinset='{event.seq + 1}']").inner_text()
        transcript = re.sub(r"^( *\d+)  cpu\d+", r"\1", lines[event.seq])
        assert row.split() == transcript.split()
        tops, ends = zip(*events.evaluate(ROWS), strict=True)
        assert all(end <= top + 1 for end, top in zip(ends, tops[1:], strict=False)), "no row lies over another"
        present, list_box = events.locator("[aria-current=true]").bounding_box(), events.bounding_box()
        assert present["y"] >= list_box["y"] - 1
        assert present["y"] + present["height"] <= list_box["y"] + list_box["height"] + 1
        shown = page.locator(".tall svg text").all_text_contents()
        assert str(event.seq) in shown
        if event.kind is not hfedu.Kind.END:  # which may take several lines
            assert row_label(event) in shown
        page.keyboard.press("ArrowRight")


ROWS = """box => [...box.querySelectorAll(".list > div")].map(row => row.firstChild.getBoundingClientRect())
    .map(({ top, bottom }) => [top, bottom])"""
COUNT = """() => { window.mutations = 0; window.observer = new MutationObserver((records) => {
    for (const r of records) window.mutations += r.addedNodes.length + r.removedNodes.length; });
    window.observer.observe(document.querySelector(".hfedu"), { subtree: true, childList: true }); }"""


def work(page, key):
    """Nodes added and removed for one key."""
    page.evaluate(COUNT)
    page.keyboard.press(key)
    page.wait_for_timeout(100)
    return page.evaluate("() => { window.observer.disconnect(); return window.mutations; }")


def test_a_step_costs_what_is_visible_whatever_the_length(open_page):
    few, many = open_page(crowd(12, 40), at=100), open_page(crowd(12, 2000), at=100)
    cost = work(few, "ArrowRight")
    assert 100 < cost < 3000
    nodes = few.locator("*").count()
    for key in ("ArrowRight", "ArrowLeft", "End", "PageUp", "Home"):
        assert work(many, key) < 2 * cost, key
        assert many.locator("*").count() < 2 * nodes, key


def asked(page, what):
    """The number of the last question of a kind."""
    return page.evaluate("what => window.sent.filter(({ ask }) => ask === what).at(-1).id", what)


def test_at_each_depth_a_step_costs_what_is_visible_however_many_there_are(open_page):
    loop = hfedu.assemble("mov x19, #700\n1: subs x19, x19, #1\nb.ne 1b\nmov x0, #0xff01\nhvc #0\nb .")
    run = hfedu.boot(hfedu.RamDisk(loop), max_instructions=3000, max_traps=1)
    found = answer(run, "instructions", 3)
    assert len(found["rows"]) == 1000
    page = open_page(relay(), bypass_csp=True)
    page.evaluate(WIDGET, [asset("player.js").read_text(), player_data(run), 3])
    page.locator(".hfedu").focus()
    page.keyboard.press("d")
    page.get_by_role("button", name="instructions of the guest up to this event (D)").click()
    page.evaluate("answer => window.answer(answer)", {**found, "id": asked(page, "instructions")})
    assert page.locator(".steps button").count() < 60
    for key in ("ArrowRight", "PageDown", "End", "ArrowLeft", "Home"):
        assert 4 < work(page, key) < 300, key
    assert page.locator(".depth [role=status]").inner_text().startswith("event 3 › instruction 404 of 1,403")
    page.keyboard.press("Escape")
    steps = answer(run, "steps", 3)
    page.evaluate("answer => window.answer(answer)", {**steps, "id": asked(page, "steps")})
    assert work(page, "ArrowRight") < 300


def test_a_fatal_end_is_marked(open_page):
    run = hfedu.explore(RACE, first=True).counterexample()
    page = open_page(run)
    assert page.locator(".heading .fatal").inner_text().startswith("✗ ")
    end = page.locator(".strip").bounding_box()["x"] + page.locator(".strip").bounding_box()["width"]
    mark = page.locator(".strip .m-bad").bounding_box()
    assert mark["x"] + mark["width"] > end - 24, "the strip marks the end"
    assert open_page(relay()).locator(".strip .m-bad").count() == 0


def test_ten_thousand_events_of_twelve_vms_stay_readable(open_page):
    page = open_page(crowd(12, 2000), at=30)
    folds = page.locator(".tall svg text", has_text="are folded")
    for top in range(0, 6000, 300):
        page.locator(".picture").evaluate(f"e => e.scrollTop = {top}")
        page.wait_for_timeout(50)
        if folds.count():
            break
    page.locator(".picture").evaluate("e => e.scrollTop += 300")
    page.screenshot(path=PICTURES / "page-folded.png")
    said = folds.first.text_content()
    match = re.fullmatch(r"⋮ events ([\d,]+) to ([\d,]+) are folded: events (\d+) to (\d+) again, (\d+) times", said)
    first, last, since, until, times = (int(number.replace(",", "")) for number in match.groups())
    assert (last - first + 1) == (until - since + 1) * times
    height = page.locator(".tall").evaluate("e => e.clientHeight")
    assert height < 6000
    page.locator(f"svg .hit[data-seq='{first}']").first.click()
    assert now(page).startswith(f"{first} ")
    page.locator("input[type=number]").fill(str((first + last) // 2))
    page.keyboard.press("Enter")
    assert page.locator(f"svg .hit[data-seq='{(first + last) // 2}']").count() == 1
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    assert page.locator(".tall").evaluate("e => e.clientHeight") > 100_000
    assert page.locator(f"svg .hit[data-seq='{(first + last) // 2}']").count() == 1
    page.locator("input[type=range]").click(position={"x": 12, "y": 10})
    assert int(now(page).split()[0]) < 200


def test_a_hundred_thousand_events_open_windowed(open_page):
    run = pingpong(60_000)
    assert len(run.events) > 100_000
    page = open_page(run)
    assert len(run.to_html()) < 50 * len(run.events)
    for key in ("End", "ArrowLeft", "Home", "PageDown"):
        assert work(page, key) < 3000
    page.locator("input[type=number]").fill("87654")
    page.keyboard.press("Enter")
    state = run.at(87654)
    assert state["vm1.mailbox.state"] in page.locator(".side").inner_text()
    assert tab(page, "Events").locator("[aria-current=true] .seq").inner_text() == "87654"
    page.get_by_label("search events for text").focus()
    page.get_by_label("kind of event").select_option("wake")
    wakes = sum(event.kind is hfedu.Kind.WAKE for event in run.events)
    assert f"{wakes:,} found" in page.locator(".find [role=status]").inner_text()


def test_bench_measures_from_key_to_paint():
    figures = json.loads(
        subprocess.run(
            [sys.executable, "-c", "import json, hfedu.bench as b; print(json.dumps(b.bench_player(1000)))"],
            check=True,
            capture_output=True,
        ).stdout
    )
    assert figures["events"] > 900
    assert all(figures[f"key_to_paint_{name}_ms"] > 0 for name in ("step", "ten", "far"))


CAPTURES = """() => { window.taken = []; document.addEventListener("keydown", (event) => {
    if (!event.target.hasAttribute("data-lm-suppress-shortcuts")) window.taken.push(event.key); }, true);
    window.addEventListener("keydown", (event) => window.taken.push(event.key)); }"""
"""A front end that takes keys on their way down, by the rule of Lumino, as Jupyter Notebook 7 does; and what comes up
again is taken by JupyterLab and Visual Studio Code."""


def test_no_key_of_the_player_reaches_the_front_end_and_those_of_the_front_end_do(open_page):
    page = open_page(relay(), at=20)
    page.evaluate(CAPTURES)
    page.locator(".picture").focus()
    for key in (
        "ArrowDown",
        "ArrowUp",
        "d",
        "d",
        "Escape",
        "Escape",
        "x",
        "a",
        "b",
        "m",
        "0",
        "Enter",
        "Home",
        "PageDown",
    ):
        page.keyboard.press(key)
    page.keyboard.press("/")
    page.keyboard.type("dd")
    page.keyboard.press("Escape")
    tab(page, "Registers")
    page.get_by_label("registers of").focus()
    page.keyboard.press("d")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("window.taken") == []
    page.locator(".hfedu").focus()
    for key in ("Control+s", "Shift+Enter"):
        page.keyboard.press(key)
    assert {"s", "Enter"} <= set(page.evaluate("window.taken")), "to save and to run a cell is the front end's"


def test_what_led_to_an_event_is_lit_under_the_pointer_and_kept_by_a_key(open_page):
    run = relay()
    page = open_page(run, at=33)
    page.locator("svg .hit[data-seq='26']").hover()
    past, waiting = {26}, [26]
    while waiting:
        new = [cause.seq for cause in run.events[waiting.pop()].causes if cause.seq not in past]
        past.update(new)
        waiting += new
    lit = page.locator(".lit-past .past-row")
    tops = [row.get_attribute("y") for row in page.locator("svg .hit").all()]
    drawn = [int(row.get_attribute("data-seq")) for row in page.locator("svg .hit").all()]
    of = dict(zip(tops, drawn, strict=True))
    assert {of[row.get_attribute("y")] for row in lit.all()} == past & set(drawn)
    page.mouse.move(2, 2)
    assert lit.count() == 0
    page.keyboard.press("h")
    assert page.locator(".lit-past .faded").count() > 3
    page.screenshot(path=PICTURES / "page-held.png")
    page.keyboard.press("Escape")
    assert page.locator(".lit-past .faded").count() == 0


def test_the_code_beside_the_picture_marks_the_condition_that_refused(open_page):
    run = refusals()
    refused = next(e for e in run.events if e.refused)
    page = open_page(run, at=refused.seq, width=934)
    code = tab(page, "Code")
    assert 'yield send(1, "two")' in code.locator("[data-part=guest] .now-line").inner_text()
    marked = code.locator("[data-part=hypervisor] .no")
    assert "if not room:" in marked.first.inner_text()
    assert "state is READ" in marked.first.inner_text()
    assert refused.refused.condition in marked.last.inner_text()
    assert code.locator("[data-part=hypervisor] .yes-line", has_text="if not configured:").count() == 1
    reached = code.locator("[data-part=hypervisor] .dim", has_text="self.deliver(")
    assert reached.count() == 1, "what was not reached is dim"
    seen, box = marked.first.bounding_box(), code.bounding_box()
    assert box["y"] <= seen["y"] <= box["y"] + box["height"] - seen["height"], "and is in view"
    for text in code.locator(".text").all():
        assert text.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "wrapped, never cut"
    page.screenshot(path=PICTURES / "page-code.png")


@pytest.mark.parametrize("lanes", [5, 12])
def test_every_lifeline_and_every_label_is_in_the_picture_on_a_laptop(open_page, lanes):
    page = open_page(crowd(lanes, 60), at=60, width=934, height=668)
    picture = page.locator(".picture").bounding_box()
    heads = page.locator(".lane-head")
    assert heads.count() == lanes + 1
    for head in heads.all():
        assert head.bounding_box()["x"] + 8 < picture["x"] + picture["width"]
    right = picture["x"] + picture["width"]
    for label in page.locator(".tall text.lab").all():
        box = label.bounding_box()
        assert box["x"] + box["width"] <= right + 1, label.text_content()
    assert page.locator(".picture").evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "nothing to scroll sideways"
    page.screenshot(path=PICTURES / f"page-{lanes}-lanes.png")


def test_zoom_present_print_and_forced_colours(open_page):
    page = open_page(relay(), at=32)

    def size():
        shown = "e => e.isConnected && parseFloat(getComputedStyle(e).fontSize)"
        while not (found := page.locator(".tall text").first.evaluate(shown)):
            pass  # it was just painted anew
        return found

    assert size() == 12
    page.keyboard.press("+")
    assert size() == 13
    page.locator(".picture").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function("parseFloat(getComputedStyle(document.querySelector('.tall text')).fontSize) === 14")
    page.keyboard.press("0")
    assert size() == 12
    page.keyboard.press("Shift+Z")
    page.wait_for_function("parseFloat(getComputedStyle(document.querySelector('.tall text')).fontSize) >= 16")
    page.keyboard.press("PageDown")
    assert now(page).startswith("33 "), "the keys of a clicker step one event"
    page.keyboard.press("Escape")
    assert size() == 12
    page.emulate_media(forced_colors="active")
    page.screenshot(path=PICTURES / "page-forced-colours.png")
    inks = """() => ["light", "dark"].map((theme) => { const root = document.querySelector(".hfedu");
        root.dataset.theme = theme; return getComputedStyle(root).getPropertyValue("--ink"); })"""
    assert page.evaluate(inks) == ["CanvasText", "CanvasText"], "what somebody chose comes before our themes"
    page.emulate_media(forced_colors="none", media="print")
    clipped = """() => [...document.querySelectorAll(".hfedu, .inside, .picture, .side")]
        .filter((e) => e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY !== "visible").length"""
    assert page.evaluate(clipped) == 0


def test_a_finger_finds_everything_and_the_picture_stands_first_on_a_phone(browser, open_page):
    page = open_page(relay(), at=32, width=390, height=844, has_touch=True, is_mobile=True)
    boxes = page.evaluate("""() => [...document.querySelectorAll(".hfedu :is(button, input):not(.lane-head)")]
        .filter((e) => e.checkVisibility() && e.closest(".tools, .tabs, .now"))
        .map((e) => [e.getAttribute("aria-label"), e.getBoundingClientRect().height])""")
    assert len(boxes) > 10
    assert [name for name, height in boxes if height < 44] == []
    order = [page.locator(part).bounding_box()["y"] for part in (".picture", ".now", ".tabs", ".side", ".tools")]
    assert order == sorted(order)
    page.locator("svg .hit[data-seq='30']").tap()
    assert now(page).startswith("30 ")
    assert page.locator(".picture").bounding_box()["height"] > 200
    page.screenshot(path=PICTURES / "page-phone.png")


def test_interrupts_stand_on_the_lifeline_of_their_controller(open_page):
    """It is active from the acknowledge to the end; a run without its events has no such lifeline."""
    page = open_page(preempting_run())
    kinds = [event.kind.value for event in preempting_run().events]
    gic = page.locator(".lane-head", has_text="GIC")
    for kind, how in (
        ("raised", "interrupts"),
        ("irq", "interrupts"),
        ("acknowledged", "active"),
        ("ended", "interrupts"),
    ):
        choose(page, kinds.index(kind))
        assert gic.inner_text().split("\n")[-1] == how
    box = gic.bounding_box()
    marks = page.locator("svg .ring, svg circle.made").evaluate_all("all => all.map(m => m.getBoundingClientRect().x)")
    assert sum(abs(x - box["x"]) < 10 for x in marks) == 2  # raised, and taken
    assert open_page(relay()).locator(".lane-head", has_text="GIC").count() == 0


def preempting_run():
    return hfedu.boot(preempting())
