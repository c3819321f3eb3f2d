"""THIRD-PARTY.md, made from the image's lock and from internal/web/vendor: `python -m tests.unit.third_party` writes it.

Names, versions and licences are those that the installed packages state. What libraries a wheel has inside is stated nowhere: it
is written down here, for the version that was looked into.
"""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution

from packaging.licenses import canonicalize_license_expression

from internal.runtime.project import PROJECT
from tests.locks import RUNTIME, pinned

DOCUMENT = PROJECT / "THIRD-PARTY.md"

SPDX = {
    "Apache": "Apache-2.0",
    "Apache 2": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
"""What packages write instead of an SPDX expression. The licence texts of those that say BSD have three clauses."""

HOME = ("homepage", "home", "repository", "source", "source code", "github", "code", "documentation")
"""Labels of a package's addresses, the best first."""

LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice|ofl)", re.IGNORECASE)

INSIDE = {
    ("pyvips-binary", "8.18.7"): {
        "aom": ("BSD-2-Clause", "https://aomedia.googlesource.com/aom"),
        "cairo": ("LGPL-2.1-only OR MPL-1.1", "https://www.cairographics.org"),
        "cgif": ("MIT", "https://github.com/dloebl/cgif"),
        "expat": ("MIT", "https://libexpat.github.io"),
        "fontconfig": ("HPND-sell-variant", "https://www.freedesktop.org/wiki/Software/fontconfig/"),
        "freetype": ("FTL OR GPL-2.0-only", "https://freetype.org"),
        "fribidi": ("LGPL-2.1-or-later", "https://github.com/fribidi/fribidi"),
        "glib": ("LGPL-2.1-or-later", "https://gitlab.gnome.org/GNOME/glib"),
        "harfbuzz": ("MIT", "https://harfbuzz.github.io"),
        "highway": ("Apache-2.0 OR BSD-3-Clause", "https://github.com/google/highway"),
        "lcms": ("MIT", "https://www.littlecms.com"),
        "libarchive": ("BSD-2-Clause", "https://www.libarchive.org"),
        "libexif": ("LGPL-2.1-or-later", "https://libexif.github.io"),
        "libffi": ("MIT", "https://github.com/libffi/libffi"),
        "libheif": ("LGPL-3.0-or-later", "https://github.com/strukturag/libheif"),
        "libimagequant": ("BSD-2-Clause", "https://github.com/lovell/libimagequant"),
        "libnsgif": ("MIT", "https://www.netsurf-browser.org/projects/libnsgif/"),
        "libpng": ("libpng-2.0", "http://www.libpng.org/pub/png/libpng.html"),
        "librsvg": ("LGPL-2.1-or-later", "https://gitlab.gnome.org/GNOME/librsvg"),
        "libtiff": ("libtiff", "https://libtiff.gitlab.io/libtiff/"),
        "libvips": ("LGPL-2.1-or-later", "https://www.libvips.org"),
        "libwebp": ("BSD-3-Clause", "https://chromium.googlesource.com/webm/libwebp"),
        "libxml2": ("MIT", "https://gitlab.gnome.org/GNOME/libxml2"),
        "mozjpeg": ("IJG AND BSD-3-Clause AND Zlib", "https://github.com/mozilla/mozjpeg"),
        "pango": ("LGPL-2.0-or-later", "https://gitlab.gnome.org/GNOME/pango"),
        "pixman": ("MIT", "https://www.pixman.org"),
        "zlib-ng": ("Zlib", "https://github.com/zlib-ng/zlib-ng"),
    },
    ("psycopg-binary", "3.3.9"): {
        "cyrus-sasl": ("BSD-4-Clause-UC", "https://www.cyrusimap.org/sasl/"),
        "keyutils": ("LGPL-2.1-or-later", "https://git.kernel.org/pub/scm/linux/kernel/git/dhowells/keyutils.git"),
        "krb5": ("MIT", "https://web.mit.edu/kerberos/"),
        "libpq": ("PostgreSQL", "https://www.postgresql.org"),
        "libxcrypt": ("LGPL-2.1-or-later", "https://github.com/besser82/libxcrypt"),
        "openldap": ("OLDAP-2.8", "https://www.openldap.org"),
        "openssl": ("Apache-2.0", "https://openssl-library.org"),
    },
}
"""Libraries inside a wheel: (package, version) → library → licence, home page."""

HEAD = """# What others made

The image processor is under the [MIT licence](LICENSE). The image that `make up` builds holds, beside Debian and Python, what is
listed here. `make notices` writes this file from [requirements-runtime.lock](requirements-runtime.lock) and
[internal/web/vendor/packages.toml](internal/web/vendor/packages.toml).

*Where the texts lie.* A package's own licence is in the image below `/opt/venv/lib/python3.13/site-packages`, where the last
column says; that of Noto Sans, the SIL Open Font License 1.1, is one of them. The folder [licenses](licenses), in the image
`/app/licenses`, has the texts that are referred to and that packages leave out: GNU LGPL 2.1, GNU LGPL 3 with the GPL 3 that it
builds on, MPL 2.0 (certifi, and DOMPurify in Swagger UI), and MIT (fontpkg, by Evan Jones). Debian and Python bring their own, in
`/usr/share/doc/*/copyright` and beside Python's library. Compiled packages may have more inside than a table below says, such as
libuv in uvloop, or Rust crates in cramjam and uuid-utils: their home pages and `sboms` name it.

*LGPL.* psycopg, libvips and the libraries that are marked so are used as they came, through Python and as shared libraries:
whoever has the image may put another build of them in their place. Their source is at the pages named; that of the libraries
inside pyvips-binary, with the scripts that build them, at <https://github.com/kleisauke/libvips-packaging>.
"""


def document() -> str:
    """The whole file. Raises ValueError when a package's licence is unknown, or its wheel has not been looked into."""
    versions = pinned(RUNTIME)
    if unseen := {owner for owner, version in INSIDE if versions.get(owner) != version}:
        raise ValueError(f"look into the new wheels, and bring INSIDE in step: {unseen}")
    parts = [HEAD, "## Python packages\n", _table(("Package", "Version", "Licence", "Home page", "Text"), _packages(versions))]
    for (owner, version), libraries in INSIDE.items():
        parts += [
            f"\n## Inside {owner} {version}\n",
            _table(("Library", "Licence", "Home page"), ((name, *rest) for name, rest in libraries.items())),
        ]
    parts += [
        "\n## In the pages\n",
        _table(("Package", "Version", "Licence", "Home page", "Files and their SHA-256"), _vendored()),
    ]
    return "\n".join(parts) + "\n"


def _packages(versions: dict[str, str]) -> Iterable[tuple[str, ...]]:
    for name, version in versions.items():
        package = distribution(name)
        if package.version != version:
            raise ValueError(f"{name} {version} is locked, and {package.version} is installed: make setup")
        texts = ", ".join(f"`{text}`" for text in texts_of(package)) or "`/app/licenses/MIT.txt`"
        yield name, version, licence_of(package), _home(package), texts


def licence_of(package: Distribution) -> str:
    """As an SPDX expression."""
    classified = [line.rpartition(" :: ")[2] for line in package.metadata.get_all("Classifier", ()) if line.startswith("License")]
    stated = _field(package, "License-Expression") or _field(package, "License")
    if stated and "\n" not in stated:
        return canonicalize_license_expression(SPDX.get(stated, stated))
    return canonicalize_license_expression(" OR ".join(SPDX[name] for name in classified))


def _field(package: Distribution, name: str) -> str:
    """Empty when it does not state that."""
    return next(iter(package.metadata.get_all(name, ())), "")


def texts_of(package: Distribution) -> list[str]:
    """The files with its licence, below site-packages."""
    info = [file for file in package.files or () if ".dist-info" in file.parts[0]]
    return sorted(str(file) for file in info if LICENCE_FILE.search(str(file.relative_to(file.parts[0]))))


def _home(package: Distribution) -> str:
    addresses = [line.split(", ", 1) for line in package.metadata.get_all("Project-URL", ())]
    named = {label.lower(): address for label, address in addresses}
    known = [_field(package, "Home-page"), *(named.get(label) for label in HOME)]
    return next((address for address in known if address), f"https://pypi.org/project/{package.metadata['Name']}/")


def _vendored() -> Iterable[tuple[str, ...]]:
    packages = tomllib.loads((PROJECT / "internal/web/vendor/packages.toml").read_text(encoding="utf-8"))
    for name, package in packages.items():
        files = "<br>".join(f"`{file}` `{digest}`" for file, digest in package["sha256"].items())
        yield name, package["version"], package["licence"], package["home"], files


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
