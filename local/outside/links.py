"""Links out of untrusted text."""

import html
import re

ADDRESS = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")


def link(address: str, label_html: str, kind: str = "") -> str:
    """A link that opens beside the inbox, or only its label where the address is not one that a browser should follow."""
    if not address.startswith(("http://", "https://", "mailto:")):
        return label_html
    styled = f' class="{kind}"' if kind else ""
    return f'<a{styled} href="{html.escape(address)}" target="_blank" rel="noreferrer">{label_html}</a>'


def linked(text: str) -> str:
    """Plain text as markup, its addresses as links."""
    written = []
    position = 0
    for found in ADDRESS.finditer(text):
        written.append(html.escape(text[position : found.start()], quote=False))
        written.append(link(found[0], html.escape(found[0], quote=False)))
        position = found.end()
    written.append(html.escape(text[position:], quote=False))
    return "".join(written)
