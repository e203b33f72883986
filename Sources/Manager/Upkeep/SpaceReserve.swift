internal import System
internal import Glibc

/// A file beside the catalog that only takes up room. It is given up when the filesystem is full, so
/// that the catalog can be opened and what frees space can run; it comes back when there is room.
struct SpaceReserve {
    private let state: StateFolder

    /// Several times what a command writes to the catalog's log, in bytes.
    private static let byteCount = 1 << 20
    /// Below so much free space a command may fail half-way.
    private static let scarceBytes = 512 << 10
    /// The reserve is made only where it does not itself make space scarce.
    private static let ampleBytes = 4 * byteCount

    init(_ state: StateFolder) { self.state = state }

    private var path: String { state.path + "/reserve" }

    /// For who only looks: opening the catalog takes a little room, too.
    func giveUpIfScarce() {
        guard let free = try? FileFolder(path: state.path).freeBytes() else { return }
        if free < Self.scarceBytes { unlink(path) }
    }

    /// Gives the reserve up if space is scarce, makes it if there is room. Best effort: that it
    /// cannot be made is no reason to fail.
    func adjust() {
        guard let free = try? FileFolder(path: state.path).freeBytes() else { return }
        if free < Self.scarceBytes {
            unlink(path)
        } else if free >= Self.ampleBytes, access(path, F_OK) != 0 {
            make()
        }
    }

    private func make() {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if posix_fallocate(descriptor, 0, off_t(Self.byteCount)) != 0 { unlink(path) }
    }
}
