"""
Learning to play tic-tac-toe
============================

In Q-learning a network learns from games alone how good each move is. Nobody tells it which moves are good: it only
sees the next board after each move, and at the end whether it has won. This example starts with a network that knows
nothing, and lets it play against an opponent that moves at random, until it hardly ever loses.
"""

# %%
# A board is nine numbers: 1 where the network has played, -1 where the opponent has played, 0 on free fields. Many
# games are played at once, one in each row, because a network is fastest with many rows.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

LINES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]])
rng = np.random.default_rng(0)


def has_won(boards, player):
    """Which games have a line of this player."""
    return (boards[:, LINES] == player).all(axis=2).any(axis=1)


def is_full(boards):
    """Which games have no free field."""
    return (boards != 0).all(axis=1)


def any_move(boards):
    """A random free field of each board."""
    return np.where(boards == 0, rng.uniform(size=boards.shape), -1).argmax(axis=1)


def new_games(count):
    """Empty boards; in half of the games the opponent has made the first move."""
    boards = np.zeros((count, 9), np.float32)
    first = np.flatnonzero(rng.uniform(size=count) < 0.5)
    boards[first, any_move(boards[first])] = -1
    return boards


def play(boards, moves):
    """The boards after a move and the opponent's answer, the rewards, and which games are over.

    A win is worth 1, a loss -1, and everything else 0.
    """
    boards, rows = boards.copy(), np.arange(len(boards))
    boards[rows, moves] = 1
    won = has_won(boards, 1)
    open_games = np.flatnonzero(~won & ~is_full(boards))
    boards[open_games, any_move(boards[open_games])] = -1
    lost = has_won(boards, -1) & ~won
    return boards, won.astype(np.float32) - lost, won | lost | is_full(boards)


# %%
# The network has an output for each field: Q, the value of a move there. Occupied fields cannot be played.


def values(model, boards):
    """Q of each move, and minus infinity where a field is taken."""
    return np.where(boards == 0, model.predict_on_batch(boards), -np.inf)


cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((9,)),
        layers.Dense(128, activation="relu"),
        layers.Dense(128, activation="relu"),
        layers.Dense(9, name="q"),
    ]
)
model.compile(cb.optimizers.Adam(1e-3), loss="huber")
older = cb.models.clone_model(model)
older.set_weights(model.get_weights())

# %%
# The value of a move is its reward plus a little less than the value of the best move on the next board. So a win now
# counts for more than a later win:
#
# .. math:: Q(s, a) = r + 0.9 \max_{a'} Q(s', a').
#
# The right side is the target for the left side. It is computed by an older copy of the network, because otherwise the
# target would change with every step. Only the output for the chosen move should learn. All other outputs get their own
# values as targets, so their errors are 0.


def learn(boards, moves, rewards, after, over):
    """One step with moves from many games; the loss."""
    best = values(older, after).max(axis=1)  # minus infinity where the board is full, and the game over
    targets = model.predict_on_batch(boards)
    targets[np.arange(len(moves)), moves] = rewards + np.where(over, 0, 0.9 * best)
    return model.train_on_batch(boards, targets)


def results(count):
    """The shares of games won, drawn and lost when each move is the one of the highest value."""
    boards, ends = new_games(count), np.full(count, np.nan)
    while np.isnan(ends).any():
        boards, rewards, over = play(boards, values(model, boards).argmax(axis=1))
        ends[over & np.isnan(ends)] = rewards[over & np.isnan(ends)]
        boards[over] = 0  # a finished game goes on as another one, which is not counted
    return np.mean(ends == 1), np.mean(ends == 0), np.mean(ends == -1)


# %%
# Steps of playing and of learning take turns. A memory keeps the latest moves of all games, and each learning step
# draws some of them at random. At first all moves are random, at the end one in ten: a player that always makes the
# move that seems best never finds a better one.

GAMES, STEPS = 128, 3000
boards, memory, progress = new_games(GAMES), [], [(0, *results(1000))]
for step in range(1, STEPS + 1):
    random = rng.uniform(size=GAMES) < max(0.1, 1 - step / 1000)
    moves = np.where(random, any_move(boards), values(model, boards).argmax(axis=1))
    after, rewards, over = play(boards, moves)
    memory = [*memory[-299:], (boards, moves, rewards, after, over)]
    boards = np.where(over[:, None], new_games(GAMES), after)

    drawn = [memory[index] for index in rng.integers(len(memory), size=4)]
    learn(*map(np.concatenate, zip(*drawn)))
    if step % 100 == 0:
        older.set_weights(model.get_weights())
    if step % 250 == 0:
        progress.append((step, *results(1000)))

steps, *shares = np.transpose(progress)
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.stackplot(steps, *shares, labels=["won", "drawn", "lost"], colors=["C0", "0.8", "C3"])
ax.set(xlabel="step", ylabel="share of 1,000 games", xlim=(0, STEPS), ylim=(0, 1))
ax.legend(loc="lower right")

# %%
# The values that the network gives to the moves on some boards. X is the network. Each free field shows the value of a
# move there: 1 is a win now, -1 a loss. The boards: an empty one; one where it can win at once; one where it must stop
# the opponent; and one where a move makes two threats at the same time.

shown = {
    "first move": "... ... ...",
    "can win": "XX. OO. ...",
    "must stop O": "X.. OO. ..X",
    "two threats": "X.. .O. O.X",
}
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
for (title, fields), ax in zip(shown.items(), axes):
    board = np.array([{"X": 1, "O": -1, ".": 0}[field] for field in fields.replace(" ", "")], np.float32)
    worth = values(model, board[None])[0]
    ax.imshow(np.where(board == 0, worth, np.nan).reshape(3, 3), cmap="RdYlGn", vmin=-1, vmax=1)
    for field, number in enumerate(worth):
        text = f"{number:.2f}" if board[field] == 0 else {1: "X", -1: "O"}[int(board[field])]
        ax.text(field % 3, field // 3, text, ha="center", va="center", fontsize=10 if board[field] == 0 else 16)
    ax.set(title=title, xticks=[], yticks=[])

# %%
# The result of 10,000 new games against the opponent that moves at random. In half of them the opponent begins.

for name, share in zip(("won", "drawn", "lost"), results(10000)):
    print(f"{name}: {share:.1%}")
print(f"before training: {progress[0][1]:.1%} won, {progress[0][3]:.1%} lost")

# sphinx_gallery_thumbnail_number = 2
