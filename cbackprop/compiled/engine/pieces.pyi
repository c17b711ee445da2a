from typing import Any

class Pieces:
    ranks: Any
    def share(self, ranks: Any, first: int, n: int, total: int, own: bool, in_order: bool) -> None: ...
