"""What every host with a service goes through, in this order."""

from . import life, stock, update

INSTALLED: tuple[life.Step, ...] = (life.installs,)
LIVES: tuple[life.Step, ...] = (
    life.starts_again_after_a_kill, life.survives_a_reboot, life.shows_its_status, life.backs_up,
    life.reloads, *update.STEPS, life.stops_in_a_backup,
    life.comes_back,
)  # fmt: skip
# Where there is Python, which the stock agent is written in.
MOVED = (stock.moves_over_from_the_stock_agent,)
GONE: tuple[life.Step, ...] = (life.uninstalls, life.comes_up_installed)
