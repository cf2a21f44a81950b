<#
.SYNOPSIS
One night: ml-health | ml-derive | ml-export | ml-backup | ml-archive | ml-push | ml-vacuum | ml-rotate | ml-alert | ml-report

.DESCRIPTION
Keeps the whole stream and what the tools said in LOGS_DIR\nightly-YYYYMMDD-HHMMSS\, prints a summary, and exits with the night's worst
code; warnings alone are 0. Runs on Windows PowerShell 5.1 and later. The pipeline itself runs inside cmd, since PowerShell 5.1 decodes and
re-encodes what passes between native programs. ml-archive takes part when ARCHIVE_PATHS is set,
ml-push when PUSH_TO is, and ml-rotate when ROTATE_RULES is.

The tools are taken from the folder in ML_BIN, else from PATH.

.PARAMETER ConfigPath
Settings file; by default config\nightly.env beside the folder of this script.
#>
[CmdletBinding()]
param(
    [string]$ConfigPath,
    [switch]$SkipHealthCheck,
    [switch]$SkipDerivation,
    [switch]$SkipSnapshot,
    [switch]$SkipBackup,
    [switch]$SkipPush,
    [switch]$SkipMaintenance,
    [switch]$DryRun,
    [switch]$Quiet
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

function Stop-Night([int]$Code, [string]$Message, [string]$Hint) {
    [Console]::Error.WriteLine("run-nightly: $Message")
    [Console]::Error.WriteLine("hint: $Hint")
    exit $Code
}

if (-not $ConfigPath) { $ConfigPath = Join-Path (Split-Path -Parent $PSScriptRoot) 'config\nightly.env' }
if (-not (Test-Path -LiteralPath $ConfigPath -PathType Leaf)) {
    Stop-Night 78 "cannot read the settings file $ConfigPath" 'name an existing file with -ConfigPath'
}
$config = (Resolve-Path -LiteralPath $ConfigPath).ProviderPath
$folder = Split-Path -Parent $config
$base = $folder
if ((Split-Path -Leaf $folder) -eq 'config') { $base = Split-Path -Parent $folder }

# Settings: the tools read them by themselves; this script needs a few. Environment over file, as with the tools.
function Get-Setting([string]$Name, [string]$Default) {
    $value = [Environment]::GetEnvironmentVariable($Name)
    if (-not $value) {
        foreach ($line in [IO.File]::ReadAllLines($config)) {
            if ($line -cmatch "^\s*$Name\s*=(.*)$") { $value = $Matches[1].Trim() }
        }
    }
    if ($value) { $value } else { $Default }
}
function Get-Rooted([string]$Path) {
    if ([IO.Path]::IsPathRooted($Path)) { $Path } else { Join-Path $base $Path }
}
$logs = Get-Rooted (Get-Setting 'LOGS_DIR' 'logs')
$state = Get-Rooted (Get-Setting 'STATE_DIR' 'state')
$deadline = Get-Setting 'NIGHT_DEADLINE' '3h45m'
if ($deadline -notmatch '^(?:(\d+)h)?(?:(\d+)m)?$') {
    Stop-Night 78 "NIGHT_DEADLINE is '$deadline' and must be hours and minutes" 'for example NIGHT_DEADLINE=3h45m'
}
$minutes = 0
if ($Matches.ContainsKey(1)) { $minutes += 60 * [int]$Matches[1] }
if ($Matches.ContainsKey(2)) { $minutes += [int]$Matches[2] }
if ($minutes -lt 10) {
    Stop-Night 78 "NIGHT_DEADLINE is '$deadline' and must be ten minutes or more" 'for example NIGHT_DEADLINE=3h45m'
}

# What this script sets must not outlive it: in an open session, the next night would else go by the name of this one.
$outside = @{}
foreach ($name in @('PATH', 'ML_RUN', 'ML_LOG')) { $outside[$name] = [Environment]::GetEnvironmentVariable($name) }
if ($env:ML_BIN) { $env:PATH = $env:ML_BIN + [IO.Path]::PathSeparator + $env:PATH }
if (-not (Get-Command 'ml-report' -CommandType Application -ErrorAction SilentlyContinue)) {
    Stop-Night 70 'the tools are not on PATH' 'install them, or set ML_BIN to the folder that holds them'
}
foreach ($path in @($config, $logs, $state)) {
    # cmd would expand the one and end the quotation at the other.
    if ($path -match '[%"]') { Stop-Night 78 "the path $path holds a character that cmd cannot quote" 'choose a folder without % and "' }
}

$night = @(
    @{ Tool = 'ml-health'; Wanted = -not $SkipHealthCheck; Share = 10; More = '' },
    @{ Tool = 'ml-derive'; Wanted = -not $SkipDerivation; Share = 50; More = '' },
    @{ Tool = 'ml-export'; Wanted = -not $SkipSnapshot; Share = 65; More = '' },
    @{ Tool = 'ml-backup'; Wanted = -not $SkipBackup; Share = 85; More = '' },
    @{ Tool = 'ml-archive'; Wanted = -not $SkipBackup -and [bool](Get-Setting 'ARCHIVE_PATHS' ''); Share = 87; More = '' },
    @{ Tool = 'ml-push'; Wanted = -not $SkipPush -and [bool]((Get-Setting 'PUSH_TO' '') + (Get-Setting 'PUSH_TO_FILE' '')); Share = 92; More = '' },
    @{ Tool = 'ml-vacuum'; Wanted = -not $SkipMaintenance; Share = 95; More = '' },
    @{ Tool = 'ml-rotate'; Wanted = -not $SkipMaintenance -and [bool](Get-Setting 'ROTATE_RULES' ''); Share = 97; More = '' }
) | Where-Object { $_.Wanted }
$night = @($night)
if ($night.Count -eq 0) { Stop-Night 64 'everything is left out' 'skip less' }
$expected = ($night | ForEach-Object { $_.Tool }) -join ','
$night += @{ Tool = 'ml-alert'; Wanted = $true; Share = 98; More = "--expect $expected" }
$night += @{ Tool = 'ml-report'; Wanted = $true; Share = 99; More = '--fail-on crit' }

# One night at a time: the open file is the lock, and it ends with this process.
$lock = $null
if (-not $DryRun) {
    try {
        [void](New-Item -ItemType Directory -Force -Path $state)
    } catch {
        Stop-Night 4 "cannot make the state folder $state" 'give this account permission, or set STATE_DIR'
    }
    try {
        $lock = [IO.File]::Open((Join-Path $state 'nightly.lock.win'), 'OpenOrCreate', 'ReadWrite', 'None')
    } catch [IO.IOException] {
        Stop-Night 75 'another night is running' 'wait for it; it ends by itself at NIGHT_DEADLINE'
    }
}

$code = 70
$stamp = [DateTime]::UtcNow.ToString('yyyyMMdd-HHmmss')
if ($DryRun) {
    $log = Join-Path ([IO.Path]::GetTempPath()) "nightly-$stamp-$PID"
} else {
    $log = Join-Path $logs "nightly-$stamp"
    if (Test-Path -LiteralPath $log) {
        # The night before this one ended within the second.
        Start-Sleep -Seconds 1
        $log = Join-Path $logs ('nightly-' + [DateTime]::UtcNow.ToString('yyyyMMdd-HHmmss'))
    }
    $env:ML_LOG = $log
}
try {
    [void](New-Item -ItemType Directory -Path $log)
    if (-not $env:ML_RUN) {
        $env:ML_RUN = '{0}-{1}' -f [DateTime]::UtcNow.ToString('yyyyMMddTHHmmssZ'), [Guid]::NewGuid().ToString('N').Substring(0, 6)
    }
    $flags = ''
    if ($DryRun) { $flags += ' --dry-run' }
    if ($PSBoundParameters.ContainsKey('Verbose')) { $flags += ' --verbose' }
    $stages = foreach ($stage in $night) {
        $limit = [Math]::Floor($minutes * 60 * $stage.Share / 100)
        '{0} --config "{1}" --output records --deadline {2}s{3} {4} 2>"{5}"' -f $stage.Tool, $config, $limit, $flags, $stage.More, (Join-Path $log ($stage.Tool + '.log'))
    }
    $stream = Join-Path $log 'stream.jsonl'
    # The first stage has no upstream; the last one's code is the code of the pipeline.
    $stages = @($stages)
    $stages[0] = $stages[0] + ' <NUL'
    $line = ($stages -join ' | ') + ' >"' + $stream + '"'
    # PowerShell itself puts quotes around an argument with a space outside of quotes, as each of these lines has, and cmd takes this outer
    # pair away (/s). Quotes of our own would make two pairs as soon as a path holds a space.
    & $env:ComSpec /d /s /c $line
    $code = $LASTEXITCODE

    foreach ($said in @(Get-ChildItem -LiteralPath $log -Filter '*.log')) {
        if ($said.Length -gt 0) {
            foreach ($text in [IO.File]::ReadAllLines($said.FullName)) { [Console]::Error.WriteLine($said.BaseName + ': ' + $text) }
        } else {
            Remove-Item -LiteralPath $said.FullName
        }
    }
    if (-not $Quiet) {
        $env:ML_RUN = ''
        $line = 'ml-report --config "{0}" --input "{1}" --no-progress --output raw 2>NUL' -f $config, $stream
        & $env:ComSpec /d /s /c $line
    }
} catch {
    Stop-Night 70 $_.Exception.Message 'see the log folder, and that this account may write there'
} finally {
    if ($lock) { $lock.Dispose() }
    foreach ($name in $outside.Keys) { [Environment]::SetEnvironmentVariable($name, $outside[$name]) }
    if ($DryRun -and (Test-Path -LiteralPath $log)) { Remove-Item -LiteralPath $log -Recurse -Force }
}
exit $code
