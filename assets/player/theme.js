/** Light or dark: JupyterLab's or Visual Studio Code's theme where there is one, else the system's. */
export class Theme {
  /** @param {HTMLElement[]} elements that wear it */
  constructor(elements) {
    this.elements = elements;
    this.wear = () => this.elements.forEach((element) => (element.dataset.theme = this.name));
    this.watcher = new MutationObserver(this.wear);
    this.watcher.observe(document.body, {
      attributes: true,
      attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"],
    });
    this.media = matchMedia("(prefers-color-scheme: dark)");
    this.media.addEventListener("change", this.wear);
    this.wear();
  }

  /** @returns {"dark" | "light"} */
  get name() {
    const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
    let dark = this.media.matches;
    if (jpThemeLight !== undefined) dark = jpThemeLight === "false";
    else if (vscodeThemeKind) dark = vscodeThemeKind.includes("dark");
    return dark ? "dark" : "light";
  }

  forget() {
    this.watcher.disconnect();
    this.media.removeEventListener("change", this.wear);
  }
}
