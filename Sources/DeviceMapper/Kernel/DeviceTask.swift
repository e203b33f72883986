internal import System
internal import CDeviceMapper
internal import Glibc

/// One request of libdevmapper. Made, used and dropped within ``DeviceLibrary/alone(_:)``.
struct DeviceTask: ~Copyable {
    let pointer: OpaquePointer
    private let action: String
    private let device: String

    /// - Parameters:
    ///   - kind: one of `DM_DEVICE_*`.
    ///   - action: a verb for failures.
    init(_ kind: Int, _ action: String, _ name: DeviceName? = nil) throws(DeviceFailure) {
        snapmgr_dm_clear_messages()
        let device = name?.text ?? ""
        guard let task = dm_task_create(CInt(kind)) else { throw Self.unreachable(action, device) }
        if let name, dm_task_set_name(task, name.text) != 1 {
            dm_task_destroy(task)
            throw DeviceFailure(action, device, detail: Self.messages, cause: .other)
        }
        self.action = action
        self.device = device
        pointer = task
        setAccess()
    }

    /// Where libdevmapper makes the node: for root alone, until somebody is given it.
    private func setAccess() {
        let access = NodeAccess.rootOnly
        _ = dm_task_set_uid(pointer, access.owner)
        _ = dm_task_set_gid(pointer, access.group)
        _ = dm_task_set_mode(pointer, access.mode)
    }

    deinit { dm_task_destroy(pointer) }

    /// Checks what a setter returned.
    func set(_ result: CInt) throws(DeviceFailure) {
        guard result == 1 else { throw failure(code: 0) }
    }

    func run() throws(DeviceFailure) {
        guard dm_task_run(pointer) == 1 else { throw failure(code: dm_task_get_errno(pointer)) }
    }

    /// The state of the request's device, which has been answered for; nil if there is none.
    func information() throws(DeviceFailure) -> dm_info? {
        var information = dm_info()
        try set(dm_task_get_info(pointer, &information))
        return information.exists != 0 ? information : nil
    }

    /// A failure whose words are ours, as far as the number tells, and libdevmapper's.
    private func failure(code: Int32) -> DeviceFailure {
        var failure = DeviceFailure(action, device, code: code)
        let messages = Self.messages
        if code == 0 {
            failure.detail = messages.isEmpty ? "libdevmapper refused the request" : messages
        } else if !messages.isEmpty {
            failure.detail += " (\(messages))"
        }
        return failure
    }

    private static var messages: String { String(cString: snapmgr_dm_messages()) }

    /// libdevmapper makes no request at all when the kernel does not answer, and gives no number.
    private static func unreachable(_ action: String, _ device: String) -> DeviceFailure {
        let code = access("/dev/mapper/control", R_OK | W_OK) == 0 ? ENODEV : errno
        var failure = DeviceFailure(action, device, code: code == EACCES ? EACCES : ENODEV)
        if !messages.isEmpty { failure.detail += " (\(messages))" }
        return failure
    }
}
