import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension EndToEndMounts {
    /// Mounts of single snapshots and clones by who is not root.
    @Suite(.enabled(if: access("/usr/bin/fuse2fs", X_OK) == 0))
    struct UserMountTests {
        /// Where users may not open the device, they get one of their own: in a namespace, and for this test.
        private static let user = """
            \(MountScene.letsGoOfOthers)
            gone() { for id; do while grep -qs '^State:.[^ZX]' "/proc/$id/status"; do sleep 0.05; done; done; }
            mknod fuse c 10 229; chmod 666 fuse; mount --bind fuse /dev/fuse
            mkdir -m 755 user user/view; cp disk.img user/disk.img; chmod 755 .; chown -R 65534:65534 user
            export SNAPMGR_STATE=$PWD/user/state HOME=$PWD/user; view=$PWD/user/view
            as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
            as "$0" volume create own --origin "$PWD/user/disk.img" >/dev/null
            as "$0" snapshot own --name mine >/dev/null
            """

        private func run(_ script: String, dirty: Bool = false) throws -> [Substring] {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img", isDirty: dirty)
            let result = try scene.harness.tool([
                "unshare", "--mount", "bash", "-c", "set -euo pipefail\n\(Self.user)\n\(script)",
                CommandLineHarness.binary,
            ])
            #expect(result.status == 0, "\(result.errors)")
            return result.output.split(separator: "\n")
        }

        @Test("an ordinary user mounts a snapshot for himself, read-only, and ends it")
        func snapshot() throws {
            let lines = try run(
                """
                as "$0" mount own@mine "$view" >/dev/null
                as rsync -anc --delete -i -H --exclude lost+found source/ "$view/"
                as touch "$view/new" 2>/dev/null || echo "read-only"
                grep -F " $view " /proc/self/mountinfo | grep -q 'nosuid,nodev' && echo "nosuid,nodev"
                ls "$view" >/dev/null 2>&1 || echo "root reads nothing"
                as "$0" delete own@mine 2>/dev/null || echo "held: $?"
                as "$0" status | grep -o 'is mounted on' | head -1
                as "$0" umount "$view" >/dev/null
                grep -F "$PWD/user" /proc/mounts || ls user/state/mounts
                as "$0" delete own@mine >/dev/null; as "$0" check own --data >/dev/null && echo whole
                """)
            #expect(
                lines == [
                    "read-only", "nosuid,nodev", "root reads nothing", "held: 13", "is mounted on",
                    "whole",
                ], "\(lines)")
        }

        @Test("an ordinary user's clone is writable, and keeps what is written")
        func clone() throws {
            let lines = try run(
                """
                as "$0" clone create own@mine trial >/dev/null
                as "$0" mount trial "$view" >/dev/null
                as bash -c 'seq 100000 > "$1/numbers"; rm -r "$1/d3"' - "$view"
                as bash -c 'cd "$1" && exec "$0" umount "$1"' "$0" "$view" 2>/dev/null || echo "busy: $?"
                as "$0" umount "$view" >/dev/null
                as "$0" get trial /numbers --to - | cmp - <(seq 100000) && echo kept
                as "$0" files trial /d3 2>/dev/null || echo "gone: $?"
                as "$0" mount trial "$view" >/dev/null; wc -l <"$view/numbers" 2>/dev/null || true
                as wc -l <"$0" >/dev/null; as bash -c 'wc -l <"$1/numbers"' - "$view"
                as "$0" umount "$view" >/dev/null; ls user/state/mounts
                as "$0" mount own@mine "$view" >/dev/null
                as rsync -anc --delete -i -H --exclude lost+found source/ "$view/"
                as "$0" umount "$view" >/dev/null
                """)
            #expect(lines == ["busy: 13", "kept", "gone: 4", "100000"], "\(lines)")
        }

        @Test(
            "killed, its program leaves errors in that mount alone, and the next command clears it away"
        )
        func killed() throws {
            let lines = try run(
                """
                as "$0" mount own@mine "$view" >/dev/null
                ids=$(pgrep -f "fuse2fs -f $PWD/user"); kill -9 $ids; gone $ids
                as ls "$view" >/dev/null 2>&1 || echo broken
                as "$0" status --json | grep -o '"state":"broken"' | head -1
                as "$0" umount "$view" >/dev/null
                grep -F "$PWD/user" /proc/mounts || ls user/state/mounts
                as "$0" mount own@mine "$view" >/dev/null
                as rsync -anc --delete -i -H --exclude lost+found source/ "$view/"
                ids=$(pgrep -f "nbdfuse -r $PWD/user"); kill -9 $ids; gone $ids
                as "$0" tick >/dev/null 2>&1 || true
                grep -F "$PWD/user" /proc/mounts || ls user/state/mounts
                """)
            #expect(lines == ["broken", #""state":"broken""#], "\(lines)")
        }

        @Test(
            "of what is in a journal a note says that it is not shown; what root alone mounts is told"
        )
        func refusals() throws {
            let lines = try run(
                """
                as "$0" mount own@mine "$view" 2>&1 >/dev/null | grep -o 'was in use'
                test ! -e "$view/late"; as "$0" umount "$view" >/dev/null
                truncate -s 400M user/xfs.img; mkfs.xfs -q user/xfs.img; chown 65534 user/xfs.img
                as "$0" volume create xfs --origin "$PWD/user/xfs.img" >/dev/null
                as "$0" snapshot xfs >/dev/null
                as "$0" mount xfs@latest "$view" 2>&1 | grep -o 'root alone can mount' | head -1 || true
                as "$0" files xfs@latest 2>&1 | grep -o 'run the command as root' | head -1 || true
                as env PATH=/nowhere "$0" mount own@mine "$view" 2>&1 | grep -o 'is not installed' | head -1 || true
                grep -F "$PWD/user" /proc/mounts || ls user/state/mounts
                """, dirty: true)
            #expect(
                lines == [
                    "was in use", "root alone can mount", "run the command as root",
                    "is not installed",
                ], "\(lines)")
        }
    }
}
