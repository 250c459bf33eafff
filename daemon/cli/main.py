"""The command `lantai`: finds the verb, runs it, and turns what goes wrong into one clear line.

A verb's module is imported only when it is asked for, because imports are what a small command
spends its time on. Exit codes (docs/operations/commands.md): 0 yes; 1 no; 2 usage; 3 could not be
judged; 69 not running here; 70 an error of Lantai's own; 78 configuration or self-test refused
(the last three as in sysexits.h). No verb is here.
"""

import importlib
import os
import sys
import tempfile
import traceback

import click

from storage.errors import LantaiError

EXIT_NO = 1
EXIT_NOT_JUDGED = 3
EXIT_NOT_RUNNING = 69
EXIT_INTERNAL = 70
EXIT_CONFIGURATION = 78
EXIT_CODES = {
    "not-running": EXIT_NOT_RUNNING,
    "configuration-refused": EXIT_CONFIGURATION,
    "too-few-nodes": EXIT_NOT_JUDGED,
    "no-such-crash-point": EXIT_CONFIGURATION,
}

# verb → where it is, and its line in `lantai --help`.
VERBS = {
    "run": ("daemon.cli.run:run", "Run one role until it is stopped. 运行一个角色"),
    "demo": ("daemon.cli.demo:demo", "The whole appliance on this machine. 本机演示"),
    "status": ("daemon.cli.status:status", "How the roles of this host fare. 本机状态"),
    "check": ("daemon.cli.check:check", "Judge a package without storing it. 检测信息包"),
    "store": ("daemon.cli.store:store", "Validate an OCFL object or storage root. 校验存储"),
    "packages": ("daemon.cli.package:packages", "List what is kept. 列出馆藏"),
    "package": ("daemon.cli.package:package", "Show, verify or export one package. 单个信息包"),
    "transfers": ("daemon.cli.transfers:transfers", "What arrived, and its fate. 移交记录"),
    "tally": ("daemon.cli.tally:tally", "Expected against received. 应归尽归核对"),
    "receipt": ("daemon.cli.receipt:receipt", "Verify a signed answer. 核验回执"),
    "sender-kit": ("daemon.cli.sender_kit:sender_kit", "For the platform's developers. 移交方套件"),
    "sweep": ("daemon.cli.sweep:sweep", "Re-read every copy, or see how far. 巡检"),
    "findings": ("daemon.cli.records:findings", "Damage, and what became of it. 损坏记录"),
    "events": ("daemon.cli.records:events", "Every act on record, also as PREMIS. 业务行为"),
    "report": ("daemon.cli.report:report", "The signed fixity report. 固定性检查报告"),
    "audit": ("daemon.cli.audit:audit", "Have all holders prove that they read. 抽查审计"),
    "salvage": ("daemon.cli.salvage:salvage", "What is still good of a damaged file. 抢救"),
    "node": ("daemon.cli.node:node", "Make a volume; add, drain, give up nodes. 存储节点"),
    "catalogue": ("daemon.cli.catalogue:catalogue", "Rebuild or check the catalogue. 目录库"),
    "keys": ("daemon.cli.keys:keys", "Make and show a role's keys. 密钥"),
    "config": ("daemon.cli.config:config", "Print an example, or judge a file. 配置"),
    "block-loop": ("daemon.cli.block_loop:block_loop", ""),
}
HIDDEN = frozenset({"block-loop"})


class LazyGroup(click.Group):
    """A group whose verbs are imported when they are run, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of `VERBS`."""
        return [verb for verb in VERBS if verb not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, imported now."""
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), "a verb is a click command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, VERBS[verb][1]) for verb in self.list_commands(ctx)])


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        click.echo(f"lantai {version('lantai-appliance')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 yes · 1 no · 2 usage · 3 could not be judged · 69 not running here"
    " · 70 an error of Lantai's own · 78 configuration refused. Each command's --help says more.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def cli() -> None:
    """Lantai (兰台): long-term preservation storage for archives. 档案长期保存系统"""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; always ends in SystemExit."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        outcome = cli.main(args=arguments, prog_name="lantai", standalone_mode=False)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_NO if ended.code else 0
    except click.exceptions.Abort:
        return _say("stopped 已中止", 130)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except LantaiError as error:
        return _say(str(error), EXIT_CODES.get(error.code, EXIT_NO))
    except BrokenPipeError:
        # The reader of our output left (`lantai packages | head`): nothing more to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A folder that may not be written, a full disk: the person's affair, not ours.
        return _say(str(error), EXIT_NO)
    except Exception as error:  # noqa: BLE001  # top of the process: never a traceback for people
        return _internal(error)
    return outcome if isinstance(outcome, int) else 0


def _say(message: str, code: int) -> int:
    click.echo(f"lantai: {message}", err=True)
    return code


def _internal(error: BaseException) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="lantai-error-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write("".join(traceback.format_exception(error)))
    where = f"details are in {log.name} 详情见该文件"
    return _say(f"unexpected {type(error).__name__}: {error}; {where}", EXIT_INTERNAL)
