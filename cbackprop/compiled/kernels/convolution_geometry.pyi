class Convolution:
    channels: int
    filters: int
    groups: int
    def __init__(
        self,
        image: tuple[int, ...],
        maps: tuple[int, ...],
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
        before: tuple[int, ...],
        channels: int,
        filters: int,
        groups: int,
        may_spread: bool = True,
    ) -> None: ...
