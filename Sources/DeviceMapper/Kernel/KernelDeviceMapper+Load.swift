package import System
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
        let (rows, count) = (table.rows, UInt32(table.segments.count))
        let result = rows.withUnsafeBytes {
            snapmgr_dm_load(name.text, $0.baseAddress, $0.count, count, isReadOnly ? 1 : 0)
        }
        guard result == 0 else {
            let failure = DeviceFailure(Self.loadAction, name.text, code: errno)
            throw explained(failure, table, log)
        }
    }

    /// The kernel says no more than a number of what it dislikes about a table; its log and its
    /// targets tell why.
    private func explained(
        _ failure: DeviceFailure, _ table: DeviceTable, _ log: borrowing KernelLog?
    ) -> DeviceFailure {
        guard failure.cause == .other || failure.cause == .notFound || failure.isBusy else {
            return failure
        }
        var failure = failure
        let known = (try? targets()) ?? [:]
        if !known.isEmpty, let kind = table.kinds.subtracting(known.keys).min() {
            failure.cause = .missingModule
            failure.detail =
                "the kernel has no target \"\(kind)\"; is its module "
                + "\(Target.module(ofKind: kind)) installed?"
        } else if let number = table.absentDevice {
            failure.cause = .badTable
            failure.detail = "there is no block device \(number)"
        } else {
            if !failure.isBusy { failure.cause = .badTable }
            let reasons = log?.deviceMapperLines() ?? []
            if !reasons.isEmpty { failure.detail = reasons.joined(separator: "; ") }
        }
        return failure
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

    /// A device that a segment names by its number and that does not exist.
    fileprivate var absentDevice: DeviceNumber? {
        var seen: Set<DeviceReference> = []
        for device in segments.lazy.flatMap(\.target.devices) where seen.insert(device).inserted {
            if case .number(let number) = device, BlockDevices.kernelName(number) == nil {
                return number
            }
        }
        return nil
    }
}

extension DeviceReference {
    fileprivate var isPath: Bool {
        if case .path = self { true } else { false }
    }
}
