package import System

/// Something that keeps a block device open.
package enum DeviceHolder: Hashable, Sendable {
    /// A filesystem is mounted from it. The process is one that sees the mount, where this one does
    /// not.
    case mount(point: String, process: RunningProcess?)
    /// Another device lies over it: a device-mapper device with its name, or one of md, bcache ...
    case device(kernelName: String, mapperName: String?)
    /// A loop device makes a device of it.
    case loop(path: String)
    case swap
    case process(RunningProcess)

    /// A process and the name of its program, at most 15 characters.
    package struct RunningProcess: Hashable, Sendable {
        package var id: Int
        package var program: String

        package init(id: Int, program: String) {
            self.id = id
            self.program = program
        }
    }
}

extension DeviceHolder {
    /// Who has the device open. Of processes as far as can be told: only root sees other users'.
    ///
    /// - Throws: when the kernel's tables of mounts, devices and swap areas cannot be read.
    package static func list(of number: DeviceNumber) throws(IOFailure) -> [DeviceHolder] {
        let processes = processes()
        return try mounts(of: number, processes) + devices(over: number) + loops(over: number)
            + (isSwap(number) ? [.swap] : [])
            + processes.filter { has($0, open: number) }.map { .process($0) }
    }

    /// The same for words alone: what cannot be read is left out.
    package static func known(of number: DeviceNumber) -> [DeviceHolder] {
        (try? list(of: number)) ?? []
    }

    /// Where a filesystem is mounted from the device, here or in another namespace; the process is one
    /// that sees a mount that this one does not.
    static func mounts(
        of number: DeviceNumber
    ) throws(IOFailure) -> [(point: String, process: RunningProcess?)] {
        try mounts(of: number, processes()).compactMap { holder in
            guard case .mount(let point, let process) = holder else { return nil }
            return (point, process)
        }
    }

    private static func mounts(
        of number: DeviceNumber, _ processes: [RunningProcess]
    ) throws(IOFailure) -> [DeviceHolder] {
        var seenPoints: Set<String> = []
        var holders: [DeviceHolder] = []
        func add(_ table: String?, _ process: RunningProcess?) {
            for mount in Mount.all(table ?? "")
            where isMount(mount, of: number) && seenPoints.insert(mount.point).inserted {
                holders.append(.mount(point: mount.point, process: process))
            }
        }
        add(try SystemFile.text("/proc/self/mountinfo"), nil)
        // Containers and services see mounts of their own.
        var seenNamespaces: Set<String?> = [SystemHint.link("/proc/self/ns/mnt"), nil]
        for process in processes {
            let folder = "/proc/\(process.id)"
            guard seenNamespaces.insert(SystemHint.link(folder + "/ns/mnt")).inserted else {
                continue
            }
            add(SystemHint.text(folder + "/mountinfo"), process)
        }
        return holders
    }

    private static func isMount(_ mount: Mount, of number: DeviceNumber) -> Bool {
        if mount.number.major != 0 { return mount.number == number }
        return mount.source.hasPrefix("/") && (try? BlockDevices.number(mount.source)) == number
    }

    private static func devices(
        over number: DeviceNumber
    ) throws(IOFailure) -> [DeviceHolder] {
        try SystemFile.names("/sys/dev/block/\(number)/holders").sorted().map { name in
            .device(
                kernelName: name, mapperName: SystemHint.line("/sys/class/block/\(name)/dm/name"))
        }
    }

    private static func loops(over number: DeviceNumber) throws(IOFailure) -> [DeviceHolder] {
        try LoopDevice.all().filter { $0.backingNumber == number }.map { .loop(path: $0.path) }
    }

    private static func isSwap(_ number: DeviceNumber) throws(IOFailure) -> Bool {
        let table = try SystemFile.text("/proc/swaps") ?? ""
        return table.split(separator: "\n").dropFirst().contains { line in
            let path = line.prefix { $0 != " " && $0 != "\t" }
            return (try? BlockDevices.number(Mount.unescaped(path))) == number
        }
    }

    private static func processes() -> [RunningProcess] {
        SystemHint.names("/proc").compactMap { Int(digits: $0) }.sorted().map { id in
            RunningProcess(id: id, program: SystemHint.line("/proc/\(id)/comm") ?? "")
        }
    }

    private static func has(_ process: RunningProcess, open number: DeviceNumber) -> Bool {
        let folder = "/proc/\(process.id)/fd"
        return SystemHint.names(folder).contains {
            (try? BlockDevices.number("\(folder)/\($0)")) == number
        }
    }
}

extension DeviceHolder: CustomStringConvertible {
    package var description: String {
        switch self {
        case .mount(let point, nil): "mounted on \(point)"
        case .mount(let point, let process?):
            "mounted on \(point) in the namespace of \(process)"
        case .device(let name, nil): "held by \(name)"
        case .device(let name, let mapperName?): "held by \(name) (\(mapperName))"
        case .loop(let path): "the backing device of \(path)"
        case .swap: "used as swap"
        case .process(let process): "opened by \(process)"
        }
    }
}

extension DeviceHolder.RunningProcess: CustomStringConvertible {
    package var description: String { "process \(id) (\(program))" }
}
