"""File names as browsers, curl, .NET, Java, Python and others send them."""

import base64
import email.header

import pytest

from internal.api.forms.disposition import MAX_NAME, decoded, file_name, header_parameters


def told(disposition: bytes) -> str | None:
    """What a part's Content-Disposition tells; header values come as Latin-1."""
    return file_name(header_parameters(disposition.decode("latin-1"))[1])


def named(name: str) -> str | None:
    """What a browser's file name comes out as."""
    return told(b'form-data; name="image"; filename="' + name.replace('"', "%22").encode() + b'"')


@pytest.mark.parametrize(
    "name",
    [
        "Screenshot 2024-01-30 at 10.32.07\u202fAM.png",  # macOS: a narrow no-break space
        "Bildschirmfoto\u00a01.png",
        "\u5199\u771f\u3000\u590f 01.png",
        "team \U0001f468\u200d\U0001f469\u200d\U0001f467 photo.png",
        "\u0645\u06cc\u200c\u0631\u0648\u0645.png",  # Persian needs its non-joiner
        "\u05e9\u05dc\u05d5\u05dd\u200f.png",
        "cafe\u0301.png",
        "caf\u00e9.png",
        "e\u00admail.png",
        "\uf8ff.png",  # private use: Apple's logo
        "\u1112\u1161\u11ab.png",
        "flag \U0001f1e8\U0001f1ed.png",
        "O'Neil (1), final; v2.png",
        "100% = \u00bd & more #1.png",
        'say "hi".png',
        "..png",
        ".hidden",
        "no ending",
        " spaced ",
        "\u2068isolated\u2069 \u202aembedded\u202c.png",
        "\u00e9" * 200 + ".png",
        "x" * 251 + ".png",
    ],
)
def test_a_name_is_kept_as_it_was_sent(name: str) -> None:
    assert named(name) == name


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.png", "cat.png"),
        ("\\\\server\\share\\cat.png", "cat.png"),
        ("a\x00b\x1f\x7f\x85.png", "ab.png"),
        ("a%0D%0Ab.png", "ab.png"),  # so browsers write a line break
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("..", None),
        ("folder/", None),
        ("folder/.", None),
        ("  ", None),
        ("\x00", None),
        ("", None),
    ],
)
def test_paths_and_control_characters_go(name: str, kept: str | None) -> None:
    assert named(name) == kept


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("x" * 400, 255),
        ("e" * 255 + "\u0301.png", 254),  # the accent is the last e's
        ("x" * 253 + "\U0001f468\u200d\U0001f469", 253),  # a family
        ("x" * 254 + "\U0001f44d\U0001f3fd", 254),  # a thumb and its colour
        ("x" * 253 + "\U0001f1e8\U0001f1ed" + "\U0001f1eb\U0001f1f7", 255),  # between two flags
        ("x" * 252 + "\U0001f1e8\U0001f1ed" + "\U0001f1eb\U0001f1f7", 254),  # within one
        ("x" * 254 + "\u1112\u1161\u11ab", 254),  # a syllable in its letters
        ("x" + "\u0301" * 400, 255),  # no sign of that length is shown anyway: cut it must be
    ],
)
def test_a_long_name_is_cut_between_two_characters(name: str, kept: int) -> None:
    assert named(name) == name[:kept]
    assert kept <= MAX_NAME


@pytest.mark.parametrize(
    ("disposition", "kept"),
    [
        (b'form-data; name="image"; filename="a.jpg"', "a.jpg"),
        (b"form-data; name=image; filename=a.jpg; filename*=utf-8''a.jpg", "a.jpg"),  # .NET
        (
            b"form-data; name=image; filename=\"=?utf-8?B?bmHDr3ZlLnBuZw==?=\"; filename*=utf-8''na%C3%AFve.png",
            "na\u00efve.png",
        ),  # .NET
        (b"form-data; name=\"image\"; filename*=UTF-8''na%C3%AFve%20file.png", "na\u00efve file.png"),  # urllib3 1
        (b'form-data; name="image"; filename="na_ve.png"; filename*=UTF-8\'\'na%C3%AFve.png', "na\u00efve.png"),
        (b"form-data; filename*=UTF-8''na%C3%AFve.png; filename=\"na_ve.png\"", "na\u00efve.png"),
        (b"form-data; filename*=iso-8859-1'en'%A3.png; filename=b.png", "\u00a3.png"),  # RFC 8187's own example
        (b"form-data; filename*=\"UTF-8''%E2%82%AC.png\"", "\u20ac.png"),
        (b"form-data; filename*=UTF-8''\xe2\x82\xac.png", "\u20ac.png"),
        (b"form-data; filename*=UTF-8''..%2F..%2Fa%00b.png", "ab.png"),
        (b"form-data; filename*=UTF-8''%22%0D%0AX-Evil%3A%20x.png", '"X-Evil: x.png'),
        (b"form-data; filename*=UTF-8''%FF.png; filename=b.png", "b.png"),  # not of its charset
        (b"form-data; filename*=rot13''n.png; filename=b.png", "b.png"),
        (b"form-data; filename*=b%20c.png; filename=b.png", "b.png"),
        (b"form-data; filename*=UTF-8''; filename=b.png", "b.png"),
        (b'form-data; name="image"; filename="=?utf-8?Q?na=C3=AFve_file.png?="', "na\u00efve file.png"),
        (b'form-data; filename="=?UTF-8?b?bmHDr3Zl?= =?utf-8?B?LnBuZw==?="', "na\u00efve.png"),
        (b'form-data; filename="=?utf-8?B?5YaZ55w=?= =?utf-8?B?nw==?=.png"', "\u5199\u771f.png"),  # cut within a character
        (b'form-data; filename="=?iso-8859-1?Q?caf=E9?=  =?utf-8?B?4oKs?= 1.png"', "caf\u00e9\u20ac 1.png"),
        (b'form-data; filename="=?iso-2022-jp?B?GyRCPEw/PxsoQg==?=.png"', "\u5199\u771f.png"),
        (b'form-data; filename="=?utf-8*en?Q?=E2=82=AC?=.png"', "\u20ac.png"),
        (b'form-data; filename="=?utf-8?B?bmHDr3Zl?="; x=y', "na\u00efve"),
        (b'form-data; filename="=?utf-8?B?%%%?=.png"', "=?utf-8?B?%%%?=.png"),  # a name that only looks like one
        (b'form-data; filename="=?rot13?Q?n?=.png"', "=?rot13?Q?n?=.png"),
        (b'form-data; filename="=?utf-8?Q?=FF?=.png"', "=?utf-8?Q?=FF?=.png"),
        (b'form-data; name="image"; filename="say %22hi%22.png"', 'say "hi".png'),  # browsers, curl
        (b'form-data; name="image"; filename="say \\"hi\\".png"', 'say "hi".png'),  # curl before 7.81
        (b'form-data; name="image"; filename="a;b\\"c.jpg"', 'a;b"c.jpg'),
        (b'form-data; name="image"; filename="C:\\\\Users\\\\say \\"hi\\".png"', 'say "hi".png'),
        (b'form-data; name="image"; filename="ends in\\"', None),  # a browser's, whose file is named `ends in\`
        (b'form-data; filename="ends in\\"; name="image"', None),
        (b'form-data; filename="100%25.png"', "100%25.png"),
        (b"form-data;name=image;filename=my file.png ", "my file.png"),
        (b'FORM-DATA; NAME="image"; FILENAME="a.jpg"', "a.jpg"),
        (b'form-data; ; name="image" ; \tfilename = "a.jpg" ;', "a.jpg"),
        (b'form-data; filename="a.jpg"; filename="b.jpg"', "a.jpg"),
        ('form-data; filename="gr\u00fc\u00dfe \u732b.jpg"'.encode(), "gr\u00fc\u00dfe \u732b.jpg"),
        (b'form-data; filename="na\xefve.png"', "na\u00efve.png"),  # a machine's code page: Latin-1
        ('form-data; filename="\u6d4b\u8bd5.png"'.encode("shift-jis", "replace"), "??.png"),
        ('form-data; filename="\u5199\u771f.png"'.encode("shift-jis"), None),  # no Latin-1, so dropped
        (b"form-data; filename=\"\x8e\xca.png\"; filename*=UTF-8''%E5%86%99.png", "\u5199.png"),
        (b"form-data", None),
        (b"", None),
    ],
)
def test_every_way_to_tell_a_name(disposition: bytes, kept: str | None) -> None:
    assert told(disposition) == kept


def test_encoded_words_of_any_length_as_pythons_email_writes_them() -> None:
    for name in ("na\u00efve " * 40 + ".png", "\u5199\u771f" * 100 + ".png", "=?really?.png", "caf\u00e9"):
        for charset in ("utf-8", "iso-8859-1"):
            try:
                name.encode(charset)
            except UnicodeEncodeError:
                continue
            folded = email.header.Header(name, charset).encode(linesep="\r\n")
            header = f'form-data; name="image"; filename="{folded}"'.replace("\r\n", "")  # as the reader unfolds it
            assert told(header.encode()) == name


def test_parameters() -> None:
    assert header_parameters('Multipart/Form-Data; Boundary="\'()+_,-./:=?" ; charset=UTF-8') == (
        "multipart/form-data",
        {"boundary": "'()+_,-./:=?", "charset": "UTF-8"},
    )
    assert header_parameters("multipart/form-data;\tboundary=----=_Part:1/2") == (
        "multipart/form-data",
        {"boundary": "----=_Part:1/2"},
    )
    assert header_parameters('form-data; filename="ends in\\"; name="image"')[1] == {"filename": "ends in\\", "name": "image"}
    assert header_parameters("") == ("", {})
    assert len(header_parameters("form-data" + "; a=b; c=d" * 100 + "; e=f")[1]) == 2  # of a flood of them the first few are read


def test_only_charsets_that_are_texts_own_are_read() -> None:
    """Python knows many a codec that is none, and keeps each name that it was asked for in vain."""
    for charset in ("idna", "punycode", "unicode_escape", "utf-7", "zlib", "hex", "mbcs", "../utf-8", ""):
        with pytest.raises(LookupError):
            decoded(b"a", charset)
    assert decoded(base64.b64decode("4oKs"), "UTF-8") == "\u20ac"
