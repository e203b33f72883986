internal import Glibc

/// A failed operation on a device-mapper device: what was done to which device, and the reason.
package struct DeviceFailure: Error, Hashable, Sendable {
    /// The device's name; empty when the operation concerned none.
    package var device: String
    /// What was being done, as a verb: `create`, `load a table for`, `remove`.
    package var action: String
    /// The operating system's error number; 0 if it gave none.
    package var code: Int32
    /// Why, as far as it is known, without the device and the action.
    package var detail: String
    package var cause: Cause

    /// What a caller may want to act upon.
    package enum Cause: Hashable, Sendable {
        /// No device has the name.
        case notFound
        /// The name or UUID is taken.
        case exists
        /// Something has the device open.
        case busy
        /// The kernel has no device-mapper, or not the target; the detail names the module.
        case missingModule
        case noPermission
        /// The device is not one of ours: it is left alone.
        case foreign
        /// A table is not one that the kernel takes, or names a device that does not exist.
        case badTable
        case other
    }

    package init(
        _ action: String, _ device: String, code: Int32 = 0, detail: String, cause: Cause
    ) {
        self.action = action
        self.device = device
        self.code = code
        self.detail = detail
        self.cause = cause
    }

    /// The failure of a request to the kernel, told by its error number alone.
    init(_ action: String, _ device: String, code: Int32) {
        self.init(
            action, device, code: code, detail: Self.words(code), cause: Self.cause(code))
    }

    /// What an error number means where a device is named.
    private static func words(_ code: Int32) -> String {
        switch cause(code) {
        case .notFound: "there is no such device"
        case .exists: "its name or UUID is taken by another device"
        case .busy: "it is in use"
        case .missingModule:
            "the kernel's device-mapper cannot be reached; is the module dm_mod loaded?"
        case .noPermission: "only root may do this"
        case .foreign, .badTable, .other: String(cString: strerror(code))
        }
    }

    private static func cause(_ code: Int32) -> Cause {
        switch code {
        case ENXIO: .notFound
        case EEXIST: .exists
        case EBUSY: .busy
        // The control node: absent, or a node without a driver behind it.
        case ENOENT, ENODEV, ENOTTY: .missingModule
        case EPERM, EACCES: .noPermission
        default: .other
        }
    }

    package var isBusy: Bool { cause == .busy }
    package var isNotFound: Bool { cause == .notFound }
    package var isMissingModule: Bool { cause == .missingModule }
    package var isNoPermission: Bool { cause == .noPermission }
}

extension DeviceFailure: CustomStringConvertible {
    package var description: String {
        let object = device.isEmpty ? action : "\(action) \(device)"
        return "cannot \(object): \(detail)"
    }
}
