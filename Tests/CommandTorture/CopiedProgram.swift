import System
import Glibc
import Manager
import SnapshotModel
import TestKit

/// Whether a copy of a program that waits where it would begin (``LookupServer``) is as good as a program that
/// has begun by itself: this one, whose threads come to the same value at the same moment.
enum CopiedProgram {
    /// Has a program do what ``begin()`` does.
    static let argument = "meet"

    static func check() -> Never {
        do {
            let folder = TemporaryFolder()
            let path = try FileFolder.realPath(folder.path)
            let server = try LookupServer(
                folder: path, root: path + "/machine",
                program: try FileFolder.realPath("/proc/self/exe"))
            let outcome = try server.run([argument])
            guard outcome.status == 0 else {
                refuse("copies: status \(outcome.status), \(outcome.errors)")
            }
        } catch {
            refuse("copies: \(Problem(error))")
        }
        exit(0)
    }

    static func begin() -> Never {
        let second = BackgroundThread.start(name: "second") {
            // The first thread has the runtime's lock of the value by then.
            let _: Bool? = isMaking.wait { $0 ? true : nil }
            _ = value
        }
        _ = value
        second.join()
        exit(0)
    }

    private static let isMaking = Monitored(false)

    private static let value: Int = {
        isMaking.change { $0 = true }
        // Should the second thread come later, nothing is shown, but nothing fails either.
        BackgroundThread.sleep(milliseconds: 500)
        return 1
    }()
}
