"""The tour in a real JupyterLab."""


def slider(book):
    return book.page.locator(".widget-hslider .noUi-handle").first


def test_tour_runs_and_its_slider_moves(notebook):
    book = notebook("00_tour.ipynb")
    book.run_all()
    page = book.page
    slider(book).scroll_into_view_if_needed()
    sentence = page.locator(".widget-html-content").first
    assert sentence.inner_text().startswith("0")
    before = page.locator(".jp-OutputArea img.widget-image").first.get_attribute("src")
    page.locator('button:has-text("Step")').first.click()
    page.wait_for_function("document.querySelector('.widget-html-content').innerText.startsWith('1')")
    slider(book).focus()
    for _ in range(24):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.widget-html-content').innerText.startsWith('25')")
    assert "5 bytes from VM 1 to VM 2's mailbox" in sentence.inner_text()
    page.wait_for_timeout(1500)
    assert page.locator(".jp-OutputArea img.widget-image").first.get_attribute("src") != before
    book.picture("tour-light")
    book.dark()
    book.picture("tour-dark")
    book.no_errors()
