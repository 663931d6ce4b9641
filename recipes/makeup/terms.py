"""The weights of the losses: each can be 0, to see what it does."""

import dataclasses

from common.base.ranges import Weight


@dataclasses.dataclass(frozen=True)
class Terms:
    """Weights of the five losses of the paper, and of one beside them, in the loss of G and F."""

    adversarial: tuple[Weight, Weight] = (0.1, 1.0)  # weights of fooling D_Y (by G) and D_X (by F)
    identity: Weight = 30.0  # weight of F(G(x, y)) being x
    style: Weight = 50.0  # weight of G(F(y), G(x, y)) being y
    pair: Weight = 0.1  # weight of fooling D_S, which compares the styles of two images
    warped: Weight = 500.0  # weight of G(b, W(y)) being y, where b is y without its style; not of the paper

    def weights(self):
        """Returns the `loss_weights` of `compile`."""
        to_style, to_plain = self.adversarial
        rest = {f"g_{name}": getattr(self, name) for name in ("identity", "style", "pair", "warped")}
        return {"g_styled": to_style, "g_plain": to_plain, **rest}
