const NAMES = ["paper", "ink", "soft", "border", "line", "box", "call", "wake", "refused", "deliver"];

/** Light or dark: JupyterLab's or Visual Studio Code's theme where there is one, else the system's. */
export class Theme {
  /** @param {() => void} change */
  constructor(change) {
    this.change = change;
    this.watcher = new MutationObserver(change);
    this.watcher.observe(document.body, {
      attributes: true,
      attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"],
    });
    this.media = matchMedia("(prefers-color-scheme: dark)");
    this.media.addEventListener("change", change);
  }

  /** @returns {"dark" | "light"} */
  get name() {
    const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
    let dark = this.media.matches;
    if (jpThemeLight !== undefined) dark = jpThemeLight === "false";
    else if (vscodeThemeKind) dark = vscodeThemeKind.includes("dark");
    return dark ? "dark" : "light";
  }

  /**
   * Let an element and all in it wear the theme.
   * @param {HTMLElement} element
   * @param {Record<string, string>} colours
   */
  dress({ style }, colours) {
    for (const name of NAMES) style.setProperty(`--${name}`, colours[name]);
    style.colorScheme = this.name;
  }

  forget() {
    this.watcher.disconnect();
    this.media.removeEventListener("change", this.change);
  }
}
