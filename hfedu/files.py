"""Files that come with hfedu: guest images and the front end."""

from pathlib import Path

from hfedu.errors import Mistake


def asset(name: str) -> Path:
    """The path of a file that comes with hfedu. `Mistake` names the guest images there are."""
    folders = (Path(__file__).parent / "assets", Path(__file__).parent.parent / "assets")
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    images = sorted(path.name for folder in folders for path in folder.glob("*.bin"))
    raise Mistake(f"there is no asset {name!r}: there are {', '.join(images)}")
