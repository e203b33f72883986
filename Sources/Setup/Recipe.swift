internal import SnapshotModel

/// What is to be changed elsewhere so that the volume is used in the place of its origin.
package struct Recipe: Hashable, Sendable {
    /// Who is told: a word for scripts.
    package enum User: String, CaseIterable, Hashable, Sendable {
        case libvirt
        case qemu
        case proxmox
        case kernel
        case fstab
    }

    package var user: User
    /// What to do, for people.
    package var title: String
    /// What is pasted.
    package var text: String
}

/// How others are to use a volume. Pure.
package enum Recipes {
    /// How long clients wait for a server that is restarted, in seconds.
    private static let reconnectSeconds = 300

    /// For a volume that is served over NBD.
    ///
    /// - Parameters:
    ///   - socket: the server's, from the root.
    ///   - disks: of libvirt's machines that have the origin now.
    package static func served(
        volume: String, socket: String, disks: [GuestDisk]
    ) -> [Recipe] {
        let known = disks.map { libvirt(volume, socket, $0) }
        return (known.isEmpty ? [element(volume, socket)] : known) + [
            qemu(volume, socket), proxmox(volume, socket), kernel(volume, socket),
        ]
    }

    /// For a volume that the kernel serves.
    ///
    /// - Parameters:
    ///   - device: what is mounted.
    ///   - mountPoint: where the origin is, or was; nil leaves it open.
    package static func mapped(
        device: String, mountPoint: String?, filesystem: String?
    ) -> [Recipe] {
        let point = mountPoint ?? "/MOUNTPOINT"
        return [
            Recipe(
                user: .fstab,
                title: "in /etc/fstab, this line in the place of the origin's",
                text: "\(fstabField(device)) \(fstabField(point)) \(filesystem ?? "auto") "
                    + "defaults,x-systemd.requires=snapmgr-activate.service 0 2")
        ]
    }

    /// fstab(5): blanks, and whatever else would end a field, are written as octal numbers.
    private static func fstabField(_ text: String) -> String {
        text.unicodeScalars.map { scalar -> String in
            scalar == "\\" || scalar == " " || isControl(scalar)
                ? #"\"# + scalar.value.padded(to: 3, radix: 8) : String(scalar)
        }.joined()
    }

    /// Of ASCII's.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || scalar.value == 0x7F
    }

    // MARK: libvirt

    private static func source(_ volume: String, _ socket: String) -> String {
        """
          <source protocol='nbd' name='\(volume)'>
            <host transport='unix' socket='\(xml(socket))'/>
            <reconnect delay='\(reconnectSeconds)'/>
          </source>
        """
    }

    private static func element(_ volume: String, _ socket: String) -> Recipe {
        Recipe(
            user: .libvirt, title: "libvirt, in the machine's definition (`virsh edit`)",
            text: disk(volume, socket, target: "vda", bus: "virtio"))
    }

    private static func disk(
        _ volume: String, _ socket: String, target: String, bus: String?
    ) -> String {
        """
        <disk type='network' device='disk'>
          <driver name='qemu' type='raw'/>
        \(source(volume, socket))
          <target dev='\(xml(target))'\(bus.map { " bus='\(xml($0))'" } ?? "")/>
        </disk>
        """
    }

    private static func libvirt(
        _ volume: String, _ socket: String, _ disk: GuestDisk
    ) -> Recipe {
        let change =
            "type=network,source.\(disk.attribute)=,source.protocol=nbd,source.name=\(volume),"
            + "source.host0.transport=unix,source.host0.socket=\(doubledCommas(socket))"
        return Recipe(
            user: .libvirt,
            title: "libvirt, once for machine \(disk.domain), which is shut down"
                + "; the same as XML, for `virsh edit`",
            text: "virt-xml \(shell(disk.domain)) --edit target=\(shell(disk.target)) --disk "
                + "\(shell(change))\n"
                + Self.disk(volume, socket, target: disk.target, bus: disk.bus))
    }

    private static func xml(_ text: String) -> String {
        // Line feeds and the like would be read as blanks.
        [
            ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&apos;"), ("\n", "&#10;"),
            ("\r", "&#13;"), ("\t", "&#9;"),
        ]
        .reduce(text) { $0.replacing($1.0, with: $1.1) }
    }

    // MARK: QEMU

    private static func block(_ volume: String, _ socket: String) -> String {
        "driver=nbd,node-name=\(node(volume)),server.type=unix,server.path="
            + "\(doubledCommas(socket)),export=\(volume),"
            + "reconnect-delay=\(reconnectSeconds)"
    }

    /// A value in a list of options, of QEMU's and of virt-xml's.
    private static func doubledCommas(_ value: String) -> String {
        value.replacing(",", with: ",,")
    }

    /// QEMU's names have at most 31 letters.
    private static func node(_ volume: String) -> String {
        let name = volume.prefix(31)
        return name.first?.isNumber == true ? "n" + name.prefix(30) : String(name)
    }

    private static func qemu(_ volume: String, _ socket: String) -> Recipe {
        Recipe(
            user: .qemu, title: "QEMU",
            text: "-blockdev \(shell(block(volume, socket))) "
                + "-device virtio-blk-pci,drive=\(node(volume))")
    }

    private static func proxmox(_ volume: String, _ socket: String) -> Recipe {
        let arguments =
            "-blockdev \(block(volume, socket)) -device virtio-blk-pci,drive=\(node(volume))"
        return Recipe(
            user: .proxmox, title: "Proxmox VE, once for machine VMID, with its old disk detached",
            text: "qm set VMID --args \(shell(arguments))")
    }

    // MARK: The kernel

    private static func kernel(_ volume: String, _ socket: String) -> Recipe {
        let options =
            #"{"driver":"raw","file":{"driver":"nbd","export":"\#(volume)","#
            + #""reconnect-delay":\#(reconnectSeconds),"#
            + #""server":{"type":"unix","path":"\#(json(socket))"}}}"#
        return Recipe(
            user: .kernel, title: "this machine's kernel, as /dev/nbd0",
            text: "qemu-nbd --connect=/dev/nbd0 --format=raw --cache=none --discard=unmap "
                + shell("json:" + options))
    }

    private static func json(_ text: String) -> String {
        text.unicodeScalars.map { scalar -> String in
            if isControl(scalar) { return #"\u"# + scalar.value.padded(to: 4, radix: 16) }
            return (scalar == "\\" || scalar == "\"" ? #"\"# : "") + String(scalar)
        }.joined()
    }

    // MARK: Quotes

    private static let plain = Set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+:@%,=".utf8)

    /// A word as a shell reads it.
    private static func shell(_ text: String) -> String {
        guard text.isEmpty || !text.utf8.allSatisfy(plain.contains) else { return text }
        return "'" + text.replacing("'", with: #"'\''"#) + "'"
    }
}
