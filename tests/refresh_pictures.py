"""Write the pictures again that tests/test_pictures.py compares. Look at them before you commit them.

python tests/refresh_pictures.py
"""

from shown import PICTURES, STORED

if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for name, draw in STORED.items():
        path, picture = PICTURES / f"{name}.png", draw()
        same = path.exists() and path.read_bytes() == picture
        path.write_bytes(picture)
        print(f"{path.name}: {'as it was' if same else 'written'}, {len(picture) // 1024} KiB")
