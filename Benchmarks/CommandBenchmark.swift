enum CommandBenchmark {
    static func run(_ workspace: Workspace) throws {}
}
