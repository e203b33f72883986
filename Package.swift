// swift-tools-version: 6.2
import PackageDescription

/// One set of settings for every Swift target, so that no module is laxer than another.
let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]

/// Of the largest target of tests, which only starts programs and compares: the compiler's work on it
/// would take longer than it saves. Where models are computed, tests are optimised.
let plainSettings = swiftSettings + [.unsafeFlags(["-Onone"])]

let argumentParser: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")

let heaps: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

func target(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func testTarget(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

let package = Package(
    name: "snapmgr",
    products: [
        .executable(name: "snapmgr", targets: ["snapmgr"]),
        .library(name: "snapmgr-nbdkit", type: .dynamic, targets: ["NBDPlugin"]),
        .executable(name: "snapmgr-torture", targets: ["Torture"]),
        .executable(name: "snapmgr-command-torture", targets: ["CommandTorture"]),
        .library(name: "snapmgr-disk-recorder", type: .dynamic, targets: ["CDiskRecorder"]),
        .library(name: "snapmgr-test-clock", type: .dynamic, targets: ["CTestClock"]),
        .library(name: "snapmgr-lookup-fault", type: .dynamic, targets: ["CLookupFault"]),
        .executable(name: "snapmgr-bench", targets: ["Benchmarks"]),
        .executable(name: "snapmgr-hook-probe", targets: ["HookProbe"]),
        .executable(name: "snapmgr-guest-tests", targets: ["GuestTests"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    ],
    targets: [
        // Values, then effects on bytes, then the engine: arrows point left to right only.
        target("SnapshotModel"),
        target("Scheduler", ["SnapshotModel"]),
        // How remedies read in a shell: for the programs, which hand it down.
        target("ShellWords", ["SnapshotModel"]),
        .target(name: "CSystem"),
        // XXH3 and OpenSSL's SHA-256: what seals of areas are made of.
        .target(name: "CHash", linkerSettings: [.linkedLibrary("crypto")]),
        target("System", ["SnapshotModel", "CSystem", "CHash"]),
        // What lies on disk: areas, records, journals; readers, verifier and planners over them.
        target("StoreFormat", ["System", "SnapshotModel", heaps]),
        // What can be asked of a volume, whatever has it open: protocols and values.
        target("VolumeAccess", ["SnapshotModel"]),
        target("MergeKit", ["StoreFormat", "VolumeAccess", "System", "SnapshotModel"]),
        // libdevmapper is not safe for threads: DeviceMapper alone calls it.
        .target(name: "CDeviceMapper", linkerSettings: [.linkedLibrary("devmapper")]),
        target("DeviceMapper", ["CDeviceMapper", "CSystem", "System", "SnapshotModel"]),
        // Who else uses an origin, and how he is kept off.
        target("OriginAccess", ["DeviceMapper", "VolumeAccess", "System", "SnapshotModel"]),
        target("Control", ["VolumeAccess", "System", "SnapshotModel"]),
        // The drivers.
        target(
            "ImageDriver",
            [
                "Control", "MergeKit", "OriginAccess", "StoreFormat", "VolumeAccess", "System",
                "SnapshotModel",
            ]),
        target(
            "DeviceDriver",
            [
                "DeviceMapper", "MergeKit", "OriginAccess", "StoreFormat", "VolumeAccess",
                "System",
                "SnapshotModel",
            ]),
        // librados and librbd, which are loaded when they are needed: RBDDriver alone calls them.
        .target(name: "CRBD"),
        target(
            "RBDDriver",
            ["CRBD", "MergeKit", "StoreFormat", "VolumeAccess", "System", "SnapshotModel"]),
        target(
            "Drivers",
            [
                "DeviceDriver", "ImageDriver", "RBDDriver", "VolumeAccess", "System",
                "SnapshotModel",
            ]),
        target("Catalog", ["SnapshotModel", grdb]),
        target("Hooks", ["Posting", "System", "CSystem", "SnapshotModel"]),
        target("Settings", ["Scheduler", "System", "SnapshotModel"]),
        // What `setup` decides and writes: pure.
        target("Setup", ["SnapshotModel"]),
        // e2fsprogs' library, read-only: libext2fs is not safe for threads, and FileSystems alone calls it.
        .target(
            name: "CExt2",
            linkerSettings: [.linkedLibrary("ext2fs"), .linkedLibrary("com_err")]),
        // Files in a snapshot, without a mount.
        target("FileSystems", ["CExt2", "System", "SnapshotModel"]),
        // libfuse, for a tree that is only read: TreeMount alone calls it.
        .target(name: "CFuse", linkerSettings: [.linkedLibrary("fuse3")]),
        // The files of all snapshots as one mounted tree.
        target("TreeMount", ["CFuse", "FileSystems", "System", "SnapshotModel"]),
        // What a look at everything means, for plugins and Prometheus: pure.
        target("Monitoring", ["Scheduler", "VolumeAccess", "SnapshotModel"]),
        // OpenSSL's SHA-256 and zstd; and over them the stream of `send` and `receive`: no I/O.
        .target(
            name: "CStream",
            linkerSettings: [.linkedLibrary("crypto"), .linkedLibrary("zstd")]),
        target("Stream", ["CStream", "System", "SnapshotModel"]),
        // QEMU's monitor and its agent in guests, and what is kept of a VM's memory.
        target("VirtualMachines", ["Stream", "System", "SnapshotModel"]),
        target(
            "Manager",
            [
                "Catalog", "DeviceMapper", "FileSystems", "Hooks", "Monitoring", "Participation",
                "Posting", "StoreFormat", "Stream", "TreeMount", "VirtualMachines", "VolumeAccess",
                "System",
                "Scheduler",
                "Settings", "Setup", "SnapshotModel",
            ]),
        // sd-bus: Bus alone calls it.
        .target(name: "CBus", linkerSettings: [.linkedLibrary("systemd")]),
        // Who asks to be told of snapshots and reverts, and the round in which he is; commands reach it by a socket.
        target("Participation", ["System", "SnapshotModel"]),
        // org.snapmgr1 on the message bus: the edge, its versions and its objects.
        target(
            "Bus",
            ["CBus", "CSystem", "Manager", "Participation", "System", "SnapshotModel"]),
        // OpenSSL's TLS: TLS alone calls it.
        .target(name: "CTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        // Connections of the network, encrypted.
        target("TLS", ["CTLS", "System", "SnapshotModel"]),
        // One HTTP request to somebody else, and his answer.
        target("Posting", ["TLS", "System", "SnapshotModel"]),
        // The page, which the compiler embeds.
        .target(name: "CWebPage"),
        // What the HTTP API hands out of its own.
        .target(name: "CWebFiles"),
        // The HTTP API: the edge, its routes and its documents.
        .target(
            name: "Web",
            dependencies: [
                "CWebFiles", "CWebPage", "Manager", "Scheduler", "Settings", "System",
                "SnapshotModel", "TLS",
            ],
            exclude: ["Page"], swiftSettings: swiftSettings),
        // Lines of a log, for whoever reads standard error.
        target("ServiceLog", ["System", "SnapshotModel", logging]),
        .target(name: "CNBDKit"),
        target(
            "NBDPlugin",
            [
                "CNBDKit", "Drivers", "ServiceLog", "ShellWords", "StoreFormat", "VolumeAccess",
                "System", "SnapshotModel", logging,
            ]),
        .executableTarget(
            name: "snapmgr",
            dependencies: [
                "Bus", "CSystem", "Drivers", "FileSystems", "Manager", "Hooks", "Monitoring",
                "Scheduler",
                "Settings", "Setup", "Stream", "System",
                "ServiceLog", "ShellWords", "SnapshotModel", "VolumeAccess", "Web", argumentParser,
                logging,
            ],
            swiftSettings: swiftSettings),

        // Tests, the heavy suites (an executable, so that they run optimised), benchmarks.
        .target(
            name: "TestKit",
            dependencies: [
                "MergeKit", "StoreFormat", "VolumeAccess", "System", "SnapshotModel",
            ],
            path: "Tests/TestKit", swiftSettings: swiftSettings),
        .executableTarget(
            name: "Torture",
            dependencies: ["TestKit", "MergeKit", "StoreFormat", "System", "SnapshotModel"],
            path: "Tests/Torture", swiftSettings: swiftSettings),
        .target(name: "CDiskRecorder", path: "Tests/CDiskRecorder"),
        // Libraries that tests preload: a clock that the test sets, and look-ups that fail.
        .target(name: "CTestClock", path: "Tests/CTestClock"),
        .target(name: "CLookupFault", path: "Tests/CLookupFault"),
        // Ends a guest's test, or the guest, before an exact change.
        .target(name: "CCrashPoint", path: "Tests/CCrashPoint"),
        .executableTarget(
            name: "CommandTorture",
            dependencies: [
                "TestKit", "Drivers", "Manager", "ImageDriver", "MergeKit", "OriginAccess",
                "StoreFormat",
                "VolumeAccess", "System", "Scheduler", "Settings", "ShellWords", "SnapshotModel",
            ],
            path: "Tests/CommandTorture", swiftSettings: swiftSettings),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "Catalog", "MergeKit", "StoreFormat", "System", "Scheduler", "SnapshotModel",
            ],
            path: "Benchmarks",
            exclude: [
                "files.sh", "folding.sh", "guest.sh", "million.sh", "mounted-find.sh",
                "mounts.sh", "reflink.sh", "seals.sh", "stream.sh", "tree.sh", "write-back.sh",
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "HookProbe", dependencies: ["Hooks", "SnapshotModel"],
            path: "Tests/HookProbe", swiftSettings: swiftSettings),
        // What runs on real block devices, in the guest of Tests/Guest.
        .executableTarget(
            name: "GuestTests",
            dependencies: [
                "CCrashPoint", "TestKit", "DeviceDriver", "DeviceMapper", "MergeKit",
                "StoreFormat", "VolumeAccess", "System", "SnapshotModel",
            ],
            path: "Tests/GuestTests", swiftSettings: swiftSettings),
        testTarget("SnapshotModelTests", ["SnapshotModel"]),
        // The program itself: what its parser takes, and how it shows things.
        testTarget("SnapmgrTests", ["snapmgr", "ShellWords", "SnapshotModel", argumentParser]),
        .testTarget(
            name: "SchedulerTests", dependencies: ["Scheduler", "SnapshotModel"],
            exclude: ["Fixtures"], swiftSettings: swiftSettings),
        testTarget("SystemTests", ["System", "SnapshotModel", "TestKit"]),
        testTarget(
            "DeviceDriverTests",
            [
                "DeviceDriver", "DeviceMapper", "MergeKit", "StoreFormat", "VolumeAccess",
                "System", "SnapshotModel", "TestKit",
            ]),
        testTarget(
            "DriverTests",
            [
                "ImageDriver", "StoreFormat", "VolumeAccess", "System", "SnapshotModel", "TestKit",
            ]),
        testTarget(
            "RBDDriverTests",
            [
                "RBDDriver", "StoreFormat", "VolumeAccess", "System", "SnapshotModel", "TestKit",
            ]),
        testTarget("StoreFormatTests", ["StoreFormat", "System", "SnapshotModel", "TestKit"]),
        testTarget("ParticipationTests", ["Participation", "System", "SnapshotModel"]),
        testTarget("DeviceMapperTests", ["DeviceMapper", "SnapshotModel", "TestKit"]),
        testTarget(
            "MergeKitTests", ["MergeKit", "StoreFormat", "System", "SnapshotModel", "TestKit"]),
        testTarget(
            "ControlTests",
            [
                "Control", "ImageDriver", "MergeKit", "StoreFormat", "VolumeAccess", "System",
                "SnapshotModel", "TestKit",
            ]),
        // The probe is a program that the tests start and kill.
        testTarget(
            "HooksTests",
            [
                "Hooks", "System", "CSystem", "SnapshotModel", "TestKit", "WebTestKit", "HookProbe",
            ]),
        testTarget(
            "SettingsTests", ["Settings", "Scheduler", "System", "SnapshotModel"]),
        testTarget(
            "SetupTests", ["Setup", "Settings", "Scheduler", "System", "SnapshotModel"]),
        .testTarget(
            name: "StreamTests", dependencies: ["Stream", "System", "SnapshotModel", "TestKit"],
            exclude: ["Fixtures"], swiftSettings: swiftSettings),
        testTarget("FileSystemsTests", ["FileSystems", "System", "SnapshotModel", "TestKit"]),
        testTarget(
            "TreeMountTests",
            ["TreeMount", "CFuse", "FileSystems", "System", "SnapshotModel", "TestKit"]),
        testTarget(
            "VirtualMachinesTests",
            ["VirtualMachines", "Stream", "System", "SnapshotModel", "TestKit"]),
        testTarget("CatalogTests", ["Catalog", "SnapshotModel", grdb]),
        testTarget("ServiceLogTests", ["ServiceLog", "System", "TestKit", logging]),
        testTarget(
            "WebTests",
            [
                "Web", "WebTestKit", "Catalog", "Manager", "Posting", "Settings", "System",
                "SnapshotModel",
                "TLS",
                "TestKit", "VolumeAccess",
            ]),
        .target(
            name: "WebTestKit", dependencies: ["SnapshotModel"], path: "Tests/WebTestKit",
            swiftSettings: swiftSettings),
        testTarget(
            "MonitoringTests",
            ["Monitoring", "Scheduler", "ShellWords", "VolumeAccess", "SnapshotModel", "TestKit"]),
        testTarget(
            "ManagerTests",
            [
                "Manager", "Catalog", "Control", "DeviceDriver", "DeviceMapper", "FileSystems",
                "Hooks", "ImageDriver", "MergeKit", "Monitoring", "OriginAccess", "VolumeAccess",
                "StoreFormat", "Stream", "System", "Scheduler", "Settings", "Setup", "ShellWords",
                "SnapshotModel", "Posting", "TestKit", "WebTestKit",
            ]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["SnapshotModel", "System", "TestKit", "WebTestKit"],
            swiftSettings: plainSettings),
    ]
)
