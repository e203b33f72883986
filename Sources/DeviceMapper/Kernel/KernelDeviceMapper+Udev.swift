internal import System
internal import CDeviceMapper
internal import Glibc

// Where udev runs it makes the nodes, some time after the kernel has made the device:
// libdevmapper's cookie is a semaphore that udev's rules release. Where it does not, libdevmapper
// makes the nodes.
extension KernelDeviceMapper {
    /// What udev's rules are to leave out. All parts but the top show a filesystem that is the
    /// top's, or was: links by its UUID or label must not lead to them, and nobody should look for
    /// volume groups or arrays in them.
    static func udevFlags(_ name: DeviceName) -> UInt16 {
        guard let part = name.volumePart?.part, !part.isMounted else { return 0 }
        return UInt16(
            DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG
                | DM_UDEV_DISABLE_OTHER_RULES_FLAG)
    }

    /// Makes a request that udev hears of, and waits for what it makes of it.
    func changeWithUdev(
        _ kind: Int, _ action: String, _ name: DeviceName, flags: UInt16
    ) throws(DeviceFailure) {
        var cookie: UInt32 = 0
        // A request that failed has released the cookie, which still has to be waited for: that
        // frees the semaphore.
        defer { wait(for: cookie) }
        try DeviceLibrary.alone { () throws(DeviceFailure) in
            let task = try DeviceTask(kind, action, name)
            try task.set(dm_task_set_cookie(task.pointer, &cookie, flags))
            try task.run()
        }
    }

    /// Waits for udev, and then has libdevmapper put right what udev left undone.
    private func wait(for cookie: UInt32) {
        let deadline = Deadline(milliseconds: udevMilliseconds)
        while cookie != 0, !isReady(cookie) {
            guard !deadline.hasPassed else {
                // Stands in for udev, so that the semaphore goes.
                DeviceLibrary.alone { _ = dm_udev_complete(cookie) }
                _ = isReady(cookie)
                break
            }
            usleep(500)
        }
        DeviceLibrary.alone { dm_task_update_nodes() }
    }

    /// Whether udev is done with a cookie, which is freed then. Does not wait: another thread may
    /// need libdevmapper to resume what udev is waiting for.
    private func isReady(_ cookie: UInt32) -> Bool {
        DeviceLibrary.alone {
            var ready: CInt = 0
            return dm_udev_wait_immediate(cookie, &ready) == 0 || ready != 0
        }
    }

    package func settle(_ name: DeviceName) throws(DeviceFailure) {
        let action = "make the node of"
        guard let information = try info(name) else {
            throw DeviceFailure(action, name.text, code: ENXIO)
        }
        let deadline = Deadline(milliseconds: udevMilliseconds)
        let runsUdev = DeviceLibrary.alone { dm_udev_get_sync_support() != 0 }
        while !hasNode(name, information.number) {
            guard runsUdev, !deadline.hasPassed else {
                return try makeNode(name, information.number, action)
            }
            usleep(500)
        }
    }

    private func makeNode(
        _ name: DeviceName, _ number: DeviceNumber, _ action: String
    ) throws(DeviceFailure) {
        try DeviceLibrary.alone { () throws(DeviceFailure) in
            try DeviceTask(DM_DEVICE_MKNODES, action, name).run()
            dm_task_update_nodes()
        }
        guard hasNode(name, number) else {
            throw DeviceFailure(
                action, name.text, detail: "there is no \(name.path) afterwards", cause: .other)
        }
    }

    private func hasNode(_ name: DeviceName, _ number: DeviceNumber) -> Bool {
        (try? BlockDevices.number(name.path)) == number
    }
}
