internal import CFuse
internal import FileSystems
internal import Glibc
internal import SnapshotModel
package import System

/// A tree that is mounted: takes the kernel's requests and answers them, one after the other.
package final class TreeServer {
    private let tree: SnapshotTree
    private let session: OpaquePointer

    /// How the kernel takes it.
    package struct Options {
        /// What stands in the table of mounts.
        package var source: String
        /// Whether others than who mounts it may read it, as far as the files' owners allow; else he alone, and
        /// all.
        package var isForAll: Bool

        package init(source: String, isForAll: Bool) {
            self.source = source
            self.isForAll = isForAll
        }

        /// What a snapshot holds is data: none of it shall give anybody powers on this machine.
        fileprivate var text: String {
            "ro,nosuid,nodev,fsname=\(source),subtype=snapmgr"
                + (isForAll ? ",allow_other,default_permissions" : "")
        }
    }

    /// - Parameter folder: what leads to it.
    package init(_ tree: SnapshotTree, on folder: String, _ options: Options) throws(IOFailure) {
        self.tree = tree
        var (calls, mounted) = (Self.calls, OpaquePointer?.none)
        let code = snapmgr_fuse_mount(
            &calls, Unmanaged.passUnretained(tree).toOpaque(), folder, options.text,
            options.isForAll ? 1 : 0, &mounted)
        guard code == 0, let mounted else { throw IOFailure("mount on", path: folder, code: code) }
        session = mounted
    }

    deinit {
        snapmgr_fuse_end(session)
        withExtendedLifetime(tree) {}
    }

    /// Without a request for so long, the tree pauses; and for so long more, it rests.
    private static let waits: [Int32] = [30, 1000]

    /// Answers until it is unmounted, or `isEnding`.
    package func run(isEnding: () -> Bool) {
        var stage = 0
        while !isEnding() {
            let wait = stage < Self.waits.count ? Self.waits[stage] : -1
            switch snapmgr_fuse_serve(session, wait) {
            case 0 where stage < Self.waits.count:
                if stage == 0 { tree.pause() } else { tree.rest() }
                stage += 1
            case 0: break
            case 1: stage = 0
            default: return
            }
        }
    }
}

// MARK: - What the library calls

private func answering(_ context: UnsafeMutableRawPointer?) throws(TreeFailure) -> SnapshotTree {
    guard let context else { throw TreeFailure(EIO) }
    return Unmanaged<SnapshotTree>.fromOpaque(context).takeUnretainedValue()
}

/// An answer's errno; 0 for success.
private func code(_ body: () throws(TreeFailure) -> Void) -> Int32 {
    do throws(TreeFailure) {
        try body()
        return 0
    } catch { return error.code }
}

private func fileName(_ text: UnsafePointer<CChar>?) -> FileName {
    guard let text else { return FileName([]) }
    let bytes = UnsafeBufferPointer(start: text, count: strlen(text))
    return FileName(bytes.map { UInt8(bitPattern: $0) })
}

extension TreeServer {
    fileprivate static var calls: snapmgr_fuse_calls {
        var calls = snapmgr_fuse_calls()
        calls.lookup = { context, folder, name, node in
            code { () throws(TreeFailure) in
                node?.pointee = try answering(context).lookup(fileName(name), in: folder)
            }
        }
        calls.look = { context, number, node in
            code { () throws(TreeFailure) in node?.pointee = try answering(context).look(number) }
        }
        calls.target = { context, number, bytes, limit in
            code { () throws(TreeFailure) in
                let target = try answering(context).target(number)
                guard let bytes, target.count < limit else { throw TreeFailure(ENAMETOOLONG) }
                for (index, byte) in target.enumerated() { bytes[index] = CChar(bitPattern: byte) }
                bytes[target.count] = 0
            }
        }
        calls.open_file = { context, number in
            code { () throws(TreeFailure) in try answering(context).openFile(number) }
        }
        calls.open_folder = { context, number, handle in
            code { () throws(TreeFailure) in
                handle?.pointee = try answering(context).openFolder(number)
            }
        }
        calls.close_folder = { context, handle in
            _ = code { () throws(TreeFailure) in try answering(context).closeFolder(handle) }
        }
        calls.list = TreeServer.list
        calls.read = TreeServer.read
        calls.seek = { context, number, offset, forData, found in
            code { () throws(TreeFailure) in
                let place = try answering(context)
                    .seek(number, Int(clamping: offset), forData: forData != 0)
                found?.pointee = UInt64(place)
            }
        }
        calls.attribute = TreeServer.attribute
        return calls
    }

    fileprivate static let list:
        @convention(c) (UnsafeMutableRawPointer?, UInt64, UInt64, OpaquePointer?) -> Int32 = {
            context, handle, position, names in
            code { () throws(TreeFailure) in
                try answering(context).list(handle, from: position) { name, node, next in
                    var node = node
                    let text = name.bytes.map { CChar(bitPattern: $0) } + [0]
                    return snapmgr_fuse_add(names, text, &node, next) != 0
                }
            }
        }

    fileprivate static let read:
        @convention(c) (
            UnsafeMutableRawPointer?, UInt64, UInt64, UnsafeMutableRawPointer?, Int,
            UnsafeMutablePointer<Int>?
        ) -> Int32 = { context, number, offset, bytes, count, got in
            code { () throws(TreeFailure) in
                guard let bytes else { throw TreeFailure(EIO) }
                var span = MutableRawSpan(_unsafeStart: bytes, byteCount: count)
                got?.pointee = try answering(context)
                    .read(number, into: &span, at: Int(clamping: offset))
            }
        }

    fileprivate static let attribute:
        @convention(c) (
            UnsafeMutableRawPointer?, UInt64, UnsafePointer<CChar>?, UnsafeMutableRawPointer?, Int,
            UnsafeMutablePointer<Int>?
        ) -> Int32 = { context, number, name, bytes, limit, count in
            code { () throws(TreeFailure) in
                let all = try answering(context).attributes(number)
                let value: [UInt8]
                if name != nil {
                    let wanted = fileName(name).text
                    guard let found = all.first(where: { $0.name == wanted }) else {
                        throw TreeFailure(ENODATA)
                    }
                    value = found.value
                } else {
                    value = all.flatMap { Array($0.name.utf8) + [0] }
                }
                count?.pointee = value.count
                guard limit > 0 else { return }
                guard value.count <= limit else { throw TreeFailure(ERANGE) }
                bytes?.copyMemory(from: value, byteCount: value.count)
            }
        }
}
