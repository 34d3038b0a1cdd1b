"""Renders the parts of a view, without the page around them."""

import re
from typing import Final

from entrypoints.ui.live.view import Source, View
from entrypoints.ui.rendering.environment import environment

_PART: Final = re.compile(r"<!--part-->\s*(<\w+)([^>]*? id=\"([\w-]+)\".*?)\s*<!--/part-->", re.DOTALL)


async def parts_of_view(view: View, source: Source) -> dict[str, str]:
    """Reads and renders the view. Returns its parts by id, as elements that take the place of those on the page. Raises
    the errors of the view."""
    now = source.now
    values = await view.read(source)
    html = environment().get_template(view.template).render(url=view.base.__add__, now=now, **values)
    return {name: f'{begin} hx-swap-oob="outerMorph"{rest}' for begin, rest, name in _PART.findall(html)}
