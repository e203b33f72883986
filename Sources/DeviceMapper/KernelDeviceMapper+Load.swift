package import BlockIO
internal import CDeviceMapper
internal import Glibc

extension KernelDeviceMapper {
    static let loadAction = "load a table into"

    /// Replaces paths by numbers: the kernel would look up every path of every segment, and would
    /// not say which one is wrong.
    func resolve(_ table: DeviceTable, for name: DeviceName) throws(DeviceFailure) -> DeviceTable {
        do throws(TableFailure) { try table.validate() } catch {
            throw DeviceFailure(
                Self.loadAction, name.text, detail: error.description, cause: .badTable)
        }
        do throws(IOFailure) { return try table.resolvingPaths() } catch {
            throw DeviceFailure(
                Self.loadAction, name.text, code: error.code, detail: error.description,
                cause: .badTable)
        }
    }

    /// Loads a table whose devices are numbers.
    func loadResolved(
        _ table: DeviceTable, into name: DeviceName, isReadOnly: Bool
    ) throws(DeviceFailure) {
        let log = KernelLog()
        do throws(DeviceFailure) {
            try DeviceLibrary.alone { () throws(DeviceFailure) in
                let task = try DeviceTask(DM_DEVICE_RELOAD, Self.loadAction, name)
                if isReadOnly { try task.set(dm_task_set_ro(task.pointer)) }
                try task.add(table)
                try task.run()
            }
        } catch {
            throw explained(error, table, log)
        }
    }

    /// The kernel says no more than a number of what it dislikes about a table; its log and its
    /// targets tell why.
    private func explained(
        _ failure: DeviceFailure, _ table: DeviceTable, _ log: borrowing KernelLog?
    ) -> DeviceFailure {
        guard failure.cause != .missingModule, failure.cause != .noPermission || geteuid() == 0
        else { return failure }
        var failure = failure
        let known = (try? targets()) ?? [:]
        if !known.isEmpty, let kind = table.kinds.subtracting(known.keys).min() {
            failure.cause = .missingModule
            failure.detail =
                "the kernel has no target \"\(kind)\"; is its module "
                + "\(Target.module(ofKind: kind)) installed?"
        } else if failure.cause == .other || failure.cause == .notFound || failure.isBusy {
            if !failure.isBusy { failure.cause = .badTable }
            let reasons = log?.deviceMapperLines() ?? []
            if !reasons.isEmpty { failure.detail = reasons.joined(separator: "; ") }
        }
        return failure
    }
}

extension DeviceTask {
    /// Appends all segments.
    fileprivate func add(_ table: DeviceTable) throws(DeviceFailure) {
        var arguments: [UInt8] = []
        for segment in table.segments {
            arguments.removeAll(keepingCapacity: true)
            segment.target.appendArguments(to: &arguments)
            arguments.append(0)
            let result = arguments.withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) { characters in
                    dm_task_add_target(
                        pointer, UInt64(segment.startSector), UInt64(segment.sectorCount),
                        segment.target.kind, characters.baseAddress)
                }
            }
            try set(result)
        }
    }
}

extension DeviceTable {
    /// The same table with numbers for all paths.
    package func resolvingPaths() throws(IOFailure) -> DeviceTable {
        var numbers: [String: DeviceReference] = [:]
        var resolved = self
        for index in segments.indices {
            let target = segments[index].target
            guard target.devices.contains(where: \.isPath) else { continue }
            resolved.segments[index].target = try target.replacingDevices {
                device throws(IOFailure) in
                guard case .path(let path) = device else { return device }
                if let known = numbers[path] { return known }
                let number = DeviceReference.number(try BlockDevices.number(path))
                numbers[path] = number
                return number
            }
        }
        return resolved
    }

    fileprivate var kinds: Set<String> { Set(segments.map(\.target.kind)) }
}

extension DeviceReference {
    fileprivate var isPath: Bool {
        if case .path = self { true } else { false }
    }
}
