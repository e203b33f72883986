internal import System
internal import CDeviceMapper

/// libdevmapper, which is not safe for threads: one of this process at a time.
enum DeviceLibrary {
    private static let monitor: Monitor = {
        snapmgr_dm_prepare()
        return Monitor()
    }()

    /// Calls with libdevmapper to itself. Nothing that may take long belongs in there but the
    /// library's own requests: another thread may have devices suspended.
    static func alone<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try monitor.withLock(body)
    }
}
