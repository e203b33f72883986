import System
import DeviceMapper
import Glibc

enum GuardCases {
    static let cases = [
        GuestCase("a guard resumes devices when its process is killed", body: killed),
        GuestCase("a guard resumes devices when its time has passed, and says so", body: late),
        GuestCase("a guard that was ended does nothing", body: ended),
        GuestCase("a guard leaves the tables alone, or lets them in, as it was told", body: tables),
        GuestCase("a guard that is dropped without an end is ended", body: dropped),
        GuestCase("there is no guard over an absent device", body: absent),
        GuestCase("a guard outlives the signals that end its process", body: signals),
        GuestCase("DH7: a guard that is dropped before all is resumed resumes it", body: abandoned),
        GuestCase(
            "DM9: a guard's memory is locked, and it is never killed for memory", body: strength),
    ]

    private static func isSuspended(_ rig: DeviceRig, _ name: DeviceName) throws -> Bool {
        try rig.info(name).isSuspended
    }

    private static func expectResumed(_ rig: DeviceRig, _ name: DeviceName) throws {
        let deadline = Deadline(milliseconds: 300_000)
        while try isSuspended(rig, name) {
            try expect(!deadline.hasPassed, "\(name) stays suspended")
            BackgroundThread.sleep(milliseconds: 5)
        }
    }

    private static func makeTwo(_ rig: DeviceRig) throws -> [DeviceName] {
        try ["one", "two"].enumerated().map { index, volume in
            try rig.create(
                DeviceRig.name(volume: volume), rig.linear(1024, at: index * 1024))
        }
    }

    private static func killed(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig)
        let status = try ChildProcess.fork {
            let running = try SuspensionGuard.begin(devices: names, milliseconds: 600_000)
            for name in names {
                try rig.mapper.suspend(name, freezesFilesystem: true, flushes: true)
            }
            kill(getpid(), SIGKILL)
            running.end()
        }
        try expectEqual(status, SIGKILL, "status of the child")
        for name in names { try expectResumed(rig, name) }
        try DeviceRig.write(1, 8, at: 0, of: names[0].path)
    }

    private static func late(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig)
        let running = try SuspensionGuard.begin(devices: names, milliseconds: 100)
        for name in names {
            try rig.mapper.suspend(name, freezesFilesystem: true, flushes: true)
        }
        for name in names { try expectResumed(rig, name) }
        // One that is suspended even later does not stay so.
        try rig.mapper.suspend(names[0], freezesFilesystem: true, flushes: true)
        try expectResumed(rig, names[0])
        try expectEqual(running.end(), .resumed, "outcome")
        try expectEqual(running.end(), .undisturbed, "outcome of a second end")
    }

    private static func ended(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig)
        // Longer where the machine was so slow that the time had passed before the end.
        let time = try [300, 5000, 60_000].first { milliseconds in
            let running = try SuspensionGuard.begin(devices: names, milliseconds: milliseconds)
            try rig.mapper.suspend(names[0], freezesFilesystem: true, flushes: true)
            return running.end() == .undisturbed
        }
        BackgroundThread.sleep(milliseconds: try require(time, "an end in time") + 200)
        try expect(try isSuspended(rig, names[0]), "it was resumed after the end")
        // Its process has gone, and was waited for.
        try expect(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "a child is left")
        try rig.mapper.resume(names[0])
    }

    private static func tables(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig)
        for (drops, expected) in [(true, 1024), (false, 2048)] {
            for name in names {
                try rig.mapper.load(name, table: rig.linear(2048), isReadOnly: false)
            }
            let running = try SuspensionGuard.begin(
                devices: names, milliseconds: 50, dropsInactiveTables: drops)
            try rig.mapper.suspend(names[0], freezesFilesystem: true, flushes: true)
            try expectResumed(rig, names[0])
            try expectEqual(running.end(), .resumed, "outcome")
            try expectEqual(
                try rig.mapper.table(names[0]).sectorCount, expected, "sectors, drops: \(drops)")
            // The other one was not suspended: what was loaded into it still waits.
            try expectEqual(
                try rig.mapper.table(names[1]).sectorCount, 1024, "sectors of the other")
            try expect(try rig.info(names[1]).hasInactiveTable, "the other's table was dropped")
        }
    }

    private static func dropped(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig)
        do { _ = try SuspensionGuard.begin(devices: names, milliseconds: 600_000) }
        try expect(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "a child is left")
    }

    private static func absent(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig) + [DeviceRig.name(volume: "absent")]
        let failure = try DeviceRig.failure(of: "begin") {
            _ = try SuspensionGuard.begin(devices: names, milliseconds: 1000)
        }
        try expect(failure.isNotFound && failure.device.contains("absent"), "\(failure)")
        try expect(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "a child is left")
    }

    private static func abandoned(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig)
        for isDropped in [false, true] {
            do {
                let running = try SuspensionGuard.begin(devices: names, milliseconds: 600_000)
                for name in names {
                    try rig.mapper.suspend(name, freezesFilesystem: true, flushes: true)
                }
                if !isDropped { try expect(running.abandon(), "something stays suspended") }
            }
            for name in names { try expect(try !isSuspended(rig, name), "\(name) is suspended") }
            try expect(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD, "a child is left")
        }
    }

    private static func strength(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let running = try SuspensionGuard.begin(devices: makeTwo(rig), milliseconds: 600_000)
        defer { running.end() }
        try expectEqual(running.weaknesses, [], "weaknesses")
        let children = try TextFile.read("/proc/self/task/\(getpid())/children")
        let process = try require(children.split(separator: " ").first, "process of the guard")
        try expectEqual(
            try TextFile.read("/proc/\(process)/oom_score_adj"), "-1000\n", "oom_score_adj")
        let locked = try TextFile.read("/proc/\(process)/status").tail(after: "VmLck:")
        let count = (locked?.prefix { $0 != "k" }).flatMap { Int($0.filter(\.isNumber)) }
        try expect(try require(count, "VmLck") > 0, "nothing is locked")
    }

    private static func signals(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let names = try makeTwo(rig)
        let status = try ChildProcess.fork {
            setpgid(0, 0)
            let running = try SuspensionGuard.begin(devices: names, milliseconds: 600_000)
            try rig.mapper.suspend(names[0], freezesFilesystem: true, flushes: true)
            kill(0, SIGTERM)
            running.end()
        }
        try expectEqual(status, SIGTERM, "status of the child")
        try expectResumed(rig, names[0])
    }
}
