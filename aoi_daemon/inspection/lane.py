"""Another lane of an inspection than lane 0.

Process: inspection, as lane 0 started it. Blocks: as the loop that it has in common with lane 0.
"""

from __future__ import annotations

from typing import Any, Final

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.inspection.main import Inspection
from aoi_daemon.stage.board import lane_cell
from aoi_daemon.stage.stage import now_ns

_MOST_WRONG: Final = 10


class Lane(Inspection):
    """Another lane than lane 0, which started it and tells it what to do; it writes no cell of inspection."""

    def _progress(self) -> None:
        self.board[lane_cell(self.stage.setup.index)] = now_ns()

    def serve(self) -> None:
        """Prove itself, and judge views whenever it is told to, until it is stopped."""
        products = [(each.good, each.bad, each.wrong[:_MOST_WRONG], each.view) for each in self.views.products]
        self.stage.tell(tell="lane", products=products, wrong=self.views.wrong[:_MOST_WRONG])
        while True:
            self.wait_turn()
            if self.stage.stopping:
                return
            _, waiting = self._take_up()
            self._progress()
            self.stage.tell(tell="lane_live")
            for part in waiting:
                self.inspect(part)
            self.run()
            if self.stage.stopping:
                return
            self._hand_over()
            self.stage.tell(tell="lane_retired")
            self.stage.yield_priority()

    def obey(self, command: dict[str, Any]) -> None:
        """As lane 0 does; its recipe is for judgements alone."""
        if command["do"] == "recipe":
            self.recipe = Recipe.model_validate_json(command["recipe"])
        elif command["do"] == "retire":
            self._retiring = True
