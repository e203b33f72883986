/// The exception store's format, between our engine and the kernel, in both directions.
enum FormatSuite {
    static let suite = GuestSuite(
        "format", machine: GuestMachine(diskMebibytes: [96, 128]), cases: [])
}
