"""Slides in a browser: what a clicker sends goes through events and slides, and nothing is loaded."""

from hfedu.course.slides import slides_page


def test_page_down_goes_on_event_by_event_and_slide_by_slide(browser, tmp_path):
    path = tmp_path / "slides.html"
    path.write_text(slides_page("05"), "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    where, count = page.locator("#where"), page.locator(".slide").count()
    while not page.locator(".slide.now.run").count():
        page.keyboard.press("PageDown")
    slide = where.inner_text()
    page.keyboard.press("PageDown")
    assert where.inner_text() == slide, "the player is at its second event, and the slide is the same"
    presses = 1
    while where.inner_text() == slide:
        page.keyboard.press("PageDown")
        presses += 1
        assert presses < 200
    assert presses > 10, "a slide with a player takes one press for each of its events"
    page.keyboard.press("PageUp")
    assert where.inner_text() == slide
    page.keyboard.press("Control+ArrowRight")
    assert where.inner_text() != slide
    for _ in range(2 * count + 100):
        page.keyboard.press("PageDown")
    assert where.inner_text() == f"{count} of {count}"
    box = page.locator("nav").bounding_box()
    assert box["y"] + box["height"] <= 720
    assert not wrong
    assert asked == [path.as_uri()]
    page.close()
