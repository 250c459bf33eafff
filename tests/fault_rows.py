"""The 56 faults this product must withstand, how each is brought about here, and what is expected.

Rows and numbers are those of the fault catalogue that the design was made from. A row is shown by
every test that calls `record_fault` with its number (tests/fault_page.py finds them); `lacking`
says what of a row is not shown on such a machine, and why.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what goes wrong, how a test makes it happen, and what has to come of it."""

    row: str
    fault: str
    injected: str
    expected: str
    #: Empty, or what is not shown here and for what reason.
    lacking: str = ""


FAULTS = (
    Fault(
        "F1",
        "coordinator killed",
        "SIGKILL of ingest and of the keeper at every named crash point, and at random moments",
        "goes on by itself within 10 s of its start; nothing lost, nothing twice",
    ),
    Fault(
        "F2",
        "node killed while it writes",
        "SIGKILL of the process at every named crash point, and at random moments",
        "every answer it gave still holds; the operation resumes; other nodes go on",
    ),
    Fault(
        "F3",
        "intake killed while it judges",
        "SIGKILL of ingest between its steps, and of the readers that open packages",
        "the package is judged anew; nothing is half accepted",
    ),
    Fault(
        "F4",
        "power cut at a node, ext4",
        "the image of a mounted loop device (commit=300) copied at a crash point, then mounted",
        "recovers without help; every answer still holds, nothing partial is visible",
    ),
    Fault(
        "F5",
        "power cut at a node, XFS",
        "the same with XFS",
        "the same",
    ),
    Fault(
        "F6",
        "power cut at the catalogue's host",
        "image of the file system that the catalogue lies on, copied between commits",
        "every receipted package is in the catalogue",
    ),
    Fault(
        "F7",
        "power cut at all three nodes at once",
        "nodes stopped, three loop images copied at one instant, mounted and started again",
        "every receipt is backed by N whole copies",
    ),
    Fault(
        "F8",
        "blocks reordered or torn in the cut",
        "a random part of the blocks written since the last flush is left out of the image",
        "recovers, or says that it is unusable and is filled again; no false answer",
    ),
    Fault(
        "F9",
        "k-th write fails",
        "in the process: EIO, ENOSPC or a short write at the k-th call, for every k on the path",
        "no acknowledgement, nothing partial; the next package is kept or refused with a reason",
    ),
    Fault(
        "F10",
        "k-th fsync fails once",
        "EIO from the k-th fsync, for every k; a loop device whose sparse image runs out of room",
        "never retried; the node only reads within 1 s, and calls",
    ),
    Fault(
        "F11",
        "fsync lies",
        "bytes on the medium replaced after fsync said that they are there, before the read-back",
        "the read-back from the medium sees it; no acknowledgement",
    ),
    Fault(
        "F12",
        "fsync of a folder fails",
        "EIO from the fsync of a directory, for every one on the path",
        "as fatal as for a file",
    ),
    Fault(
        "F13",
        "disk full in mid-write",
        "a filler file on a small loop device; ENOSPC at the k-th call",
        "refused before any data where it can be known; nothing lost; goes on when there is room",
    ),
    Fault(
        "F14",
        "no inodes left",
        "a file system made with few inodes",
        "as a full disk",
    ),
    Fault(
        "F15",
        "quota exceeded, or remounted read-only",
        "EDQUOT from a call; `mount -o remount,ro` of the loop device under a volume",
        "the node only reads, and calls, within 5 s; reads go on",
    ),
    Fault(
        "F16",
        "disk vanishes",
        "`umount -l` of the disk under a running volume",
        "refuses; 0 bytes are written to the file system below",
    ),
    Fault(
        "F17",
        "wrong disk under the mount point",
        "another volume's disk, or an empty one, mounted in its place",
        "refused by identity",
    ),
    Fault(
        "F18",
        "unreadable range",
        "EIO on read: a loop device whose image was cut short under it",
        "found, named by its range, mended from another copy within 60 s",
    ),
    Fault(
        "F19",
        "one bit flips",
        "one bit of a file turned over, its pages evicted",
        "found in one sweep and mended; never served to a reader",
    ),
    Fault(
        "F20",
        "a region is replaced",
        "512 B, 4 KiB and 64 KiB overwritten",
        "found in one sweep and mended",
    ),
    Fault(
        "F21",
        "misdirected write",
        "a block of one file written into another",
        "found in one sweep and mended",
    ),
    Fault(
        "F22",
        "lost write",
        "the old block put back",
        "found in one sweep and mended",
    ),
    Fault(
        "F23",
        "length is wrong",
        "a file cut off, made longer, made empty",
        "found in one sweep and mended",
    ),
    Fault(
        "F24",
        "file gone, renamed, or planted",
        "rm, mv, and a stray file beside the others",
        "found in one sweep and mended",
    ),
    Fault(
        "F25",
        "inventory, sidecar, journal or index damaged",
        "every kind of damage in each of them",
        "made anew from other copies; a journal that rotted is never cut off, and called for",
    ),
    Fault(
        "F26",
        "catalogue row altered",
        "SQL on the row behind the product's back",
        "the disagreement is called for; no byte on a node is touched",
    ),
    Fault(
        "F27",
        "catalogue destroyed",
        "pages of its file turned over; the file deleted",
        "noticed; rebuilt from the nodes, every index row equal",
    ),
    Fault(
        "F28",
        "the same object bad on two nodes of three",
        "damage on both",
        "mended from the third within 60 s",
    ),
    Fault(
        "F29",
        "bad on all three at different places",
        "damage on each",
        "AT_RISK and called for; no byte is changed",
    ),
    Fault(
        "F30",
        "a thousand objects rot on one node",
        "a script over the volume",
        "mending stops by itself after at most 10 and asks a person",
    ),
    Fault(
        "F31",
        "the source goes bad during a repair",
        "damage to the source while the copy is under way, and SIGKILL of it",
        "digests fail at the receiver; another source is taken; no bad commit",
    ),
    Fault(
        "F32",
        "one node cut off",
        "nftables drops both ways at the node's own network namespace",
        "no stored receipt while a copy lacks; healed within 60 s of the cut's end",
    ),
    Fault(
        "F33",
        "asymmetric cut: the node hears and cannot answer",
        "nftables drops what the node sends",
        "times out, asks again by the same operation; nothing twice",
    ),
    Fault(
        "F34",
        "coordinator left with one node of three",
        "nftables drops between the coordinator and two nodes",
        "no receipt at all; healed within 60 s of the cut's end",
    ),
    Fault(
        "F35",
        "packets lost",
        "nftables `numgen random` drops 5 % (and 1 %) both ways",
        "slower and correct; at 1 % at least 20 % of the clean rate",
    ),
    Fault(
        "F36",
        "connections reset in mid-transfer",
        "nftables rejects with tcp reset after every few MiB (quota)",
        "resumes where the node stands; at most one window is sent twice",
    ),
    Fault(
        "F37",
        "slow link to one node",
        "tc tbf, 1 Mbit/s",
        "other nodes at 90 % of their rate or more; at most 64 MiB of memory more",
    ),
    Fault(
        "F38",
        "slow disk under one node",
        "a preloaded library: each read of one node's files takes 500 ms longer",
        "the node is called slow and reads go around it: p95 at most twice the healthy one",
    ),
    Fault(
        "F39",
        "a process stands still and wakes",
        "SIGSTOP past its lease, SIGCONT: a node for 30 s, ingest, keeper",
        "0 writes under a stale epoch; well again within 90 s",
    ),
    Fault(
        "F40",
        "event loop blocked",
        "a part that does not return",
        "neither answers nor feeds the watchdog; systemd kills it and it comes back",
    ),
    Fault(
        "F41",
        "memory limit",
        "a memory cgroup around a node while a larger package passes; a disk that hangs",
        "bounded by credit: inside its limit, nobody is killed",
    ),
    Fault(
        "F42",
        "no file descriptors left",
        "`prlimit --nofile` on a running node",
        "refuses politely, loses nothing, recovers when the limit is lifted",
    ),
    Fault(
        "F43",
        "fsync hangs",
        "a write to the disk that does not return",
        "heartbeats are still answered: the node is not taken for dead",
    ),
    Fault(
        "F44",
        "clock jumps by a year, or back by an hour",
        "a preloaded library that shifts the clock of a running process",
        "nothing changes hands, nothing is due for ever, order is by number",
    ),
    Fault(
        "F45",
        "messages repeated, replayed, reordered",
        "a peer with a valid key that does so at random from a seed",
        "idempotent; a wrong offset is refused; nothing twice",
    ),
    Fault(
        "F46",
        "malformed messages",
        "a peer with a valid key: fields flipped, 0 to many frames, huge lengths, bad UTF-8",
        "refused and counted, the peer cut off after eight; the process lives",
    ),
    Fault(
        "F47",
        "stranger, revoked key, right key in a wrong role",
        "clients with such keys",
        "refused and counted; no byte of theirs reaches the application",
    ),
    Fault(
        "F48",
        "the handler of handshakes dies",
        "its task is ended; it fails on a request",
        "fails closed; replaced within 10 s",
    ),
    Fault(
        "F49",
        "half-open connections",
        "5,000 sockets that never say anything",
        "everybody else is answered in at most twice the time",
    ),
    Fault(
        "F50",
        "receive queue full for long",
        "a reader that stands still with thousands of answers under way",
        "no abort (no ZMTP heartbeats); every answer arrives",
    ),
    Fault(
        "F51",
        "version skew",
        "a peer that speaks another protocol number",
        "refused, and told which it speaks; no data is changed",
    ),
    Fault(
        "F52",
        "node replaced by an empty one",
        "its volume wiped and made anew under the old name",
        "no trust in the old name; filled by a person's word while ingest goes on",
    ),
    Fault(
        "F53",
        "drain, and somebody is killed",
        "SIGKILL at random while a node is drained",
        "never fewer than N good copies",
    ),
    Fault(
        "F54",
        "catalogue rolled back to yesterday",
        "yesterday's file put in its place",
        "noticed by the nodes' epochs; refused for writing until reconciled",
    ),
    Fault(
        "F55",
        "view killed or hung while readers wait",
        "SIGKILL of the view with reads under way; the FUSE connection aborted",
        "readers get an error within 10 s, the archive goes on, it can be mounted again",
    ),
    Fault(
        "F56",
        "one node's files overwritten by its own user",
        "a script over the volume",
        "mending stops by itself and asks a person; other domains intact, nothing lost",
    ),
)

BY_ROW = {fault.row: fault for fault in FAULTS}
