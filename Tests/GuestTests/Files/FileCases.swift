import Glibc
import SnapshotModel
import System

/// Files of a volume under device-mapper: looked at, found, compared, brought back and put back.
enum FileCases {
    static let cases = [
        GuestCase("files are listed, found, compared and brought back as a mount shows them") {
            context in
            let scene = try FilesRig(context, "ext4")
            let history = try FileHistoryRig(scene)
            try history.checkLists()
            try history.checkGets()
            try history.checkDifferences()
            try history.checkFinds()
            try expectEqual(
                try scene.snapmgr.run("status", "--json").text("directory"), nil, "mounts left")
        },
        GuestCase("files of clones and of the volume as it is are read as they are") { context in
            let scene = try FilesRig(context, "ext4")
            let (rig, snapmgr) = (scene.rig, scene.snapmgr)
            try TextFile.write("old\n", to: scene.point + "/file")
            let id = try rig.snapshot("data", "one")
            try TextFile.write("newer\n", to: scene.point + "/file")
            try Program.run("sync", "--file-system", scene.point)
            try snapmgr.run("clone", "create", "\(id)", "trial")
            let view = try rig.viewFolder("view")
            try snapmgr.run("mount", "trial", view)
            try TextFile.write("in the clone\n", to: view + "/file")
            try TextFile.write("x", to: view + "/more")
            try Program.run("sync", "--file-system", view)
            func content(_ reference: String) throws -> String {
                try snapmgr.run("get", reference, "/file", "--to", "-").output
            }
            // What a mounted filesystem has written since is read, and not what was read before.
            for text in ["in the clone\n", "once again, longer\n"] {
                try TextFile.write(text, to: view + "/file")
                try Program.run("sync", "--file-system", view)
                try expectEqual(try content("trial"), text, "the mounted clone's file")
            }
            try snapmgr.run("umount", view)
            try expectEqual(try content("data@trial"), "once again, longer\n", "the clone's file")
            try expectEqual(try content("\(id)"), "old\n", "the snapshot's file")
            try expectEqual(try content("data@live"), "newer\n", "the volume's file")
            let told = try snapmgr.run("diff", "--files", "trial", "--json").output
            for text in [#""change":"added","#, #""path":"/more""#, #""path":"/file""#] {
                try expect(told.tail(after: text) != nil, "it does not tell \(text): \(told)")
            }
            try expect(
                try snapmgr.run("diff", "--files", "\(id)", "trial", "--tree").output
                    .tail(after: "A more") != nil, "no tree")
            try snapmgr.run("clone", "delete", "trial")
        },
        GuestCase(
            "a file and a folder are put back into the mounted filesystem, with all that is theirs"
        ) {
            context in
            let scene = try FilesRig(context, "ext4")
            let (rig, snapmgr) = (scene.rig, scene.snapmgr)
            // Where attributes are kept, which memory may not do.
            let kept = CommandRig.storeRoot + "/kept-source"
            try FilesRig.shell(
                """
                cd \(scene.point); mkdir -p etc home/eve/deep
                echo old > etc/conf; chown 1234:4321 etc/conf; chmod 4750 etc/conf
                touch -d 2020-02-02T02:02:02.5Z etc/conf
                setfattr -n user.note -v hello etc/conf; setfacl -m u:1111:rw etc/conf; setfacl -d -m u:2222:r home/eve
                echo l > home/eve/letter; ln home/eve/letter home/eve/deep/again
                truncate -s 9M home/eve/sparse; printf end >> home/eve/sparse
                ln -s ../etc home/eve/link; mkfifo home/eve/pipe
                cp -a \(scene.point) \(kept)
                """)
            let id = "\(try rig.snapshot("data", "one"))"
            try FilesRig.shell(
                """
                cd \(scene.point); echo new > etc/other; mv etc/other etc/conf
                rm -r home/eve/deep; echo later > home/eve/later; echo x > home/eve/letter
                """)
            try snapmgr.run("restore", id, "/etc/conf", "/home/eve", "-n")
            try expectEqual(try TextFile.read(scene.point + "/etc/conf"), "new\n", "before")
            try snapmgr.run("restore", id, "/etc/conf", "/home/eve")
            for folder in ["etc", "home"] {
                let left = "\(kept)/\(folder)/"
                let differences = try FilesRig.shell(
                    """
                    rsync -anc --delete --itemize-changes -HAX --exclude '*.before-restore-*' \
                        \(left) \(scene.point)/\(folder)/ | grep -v '^.d..t' || true
                    """)
                try expectEqual(differences, "", "what differs in \(folder)")
            }
            try expectEqual(
                try FilesRig.shell(
                    """
                    cd \(scene.point); cat etc/conf.before-restore-* \
                        home/eve.before-restore-*/later home/eve.before-restore-*/letter
                    """), "new\nlater\nx\n", "what was there before")
            try expectEqual(
                try FilesRig.shell(
                    """
                    cd \(scene.point); stat -c '%u:%g %a %.Y' etc/conf
                    getfattr --only-values -n user.note etc/conf ; echo
                    getfacl -cn etc/conf | grep 1111; stat -c %h home/eve/letter
                    test $(stat -c %b home/eve/sparse) -lt 100
                    """),
                "1234:4321 4770 1580608922.500000000\nhello\nuser:1111:rw-\n2\n",
                "what the files are")
            // A link that has come on the way is not followed.
            try FilesRig.shell(
                "cd \(scene.point); mv home moved; mkdir /tmp/elsewhere; ln -s /tmp/elsewhere home")
            context.cleanUp { try Program.run("rm", "-rf", "/tmp/elsewhere") }
            let refused = try snapmgr.start(["restore", id, "/home/eve"])
            try expect(refused.status != 0, "a link was followed")
            try expectEqual(try FileFolder(path: "/tmp/elsewhere").list(""), [], "elsewhere")
            try rig.unmount(scene.point)
            try snapmgr.fails(13, "restore", id, "/etc/conf", saying: ["--to DIR"])
        },
    ]
}
