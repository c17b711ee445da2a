from cbackprop.compiled.engine.feeds import Feeds
from cbackprop.compiled.engine.network import Network
from cbackprop.compiled.engine.pieces import Pieces

class Divisors:
    def __init__(self, network: Network, feeds: Feeds, pieces: Pieces) -> None: ...
