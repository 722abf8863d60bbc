"""Every text of the page in English and Chinese, by key: nothing that a person reads stands elsewhere.

The English of the alarms is `decide/alarm_list.py`; their Chinese is below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from aoi_daemon.decide.alarm_list import KINDS, Alarm
from aoi_daemon.messages import Reason
from aoi_daemon.stage.lifecycle import Event

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    # Between two phrases
    "comma": (", ", "，"),
    "colon": (": ", "："),
    # Navigation and the frame of every page
    "main": ("Line", "产线"),
    "rejects": ("Rejects", "不良品"),
    "alarms": ("Alarms", "报警"),
    "report": ("Shift report", "班次报告"),
    "recipe": ("Recipe", "配方"),
    "commissioning": ("Commis\u00adsioning", "调试"),
    "help": ("Help", "帮助"),
    "more": ("More", "更多"),
    "language": ("中文", "English"),
    "theme": ("Day / night", "日间 / 夜间"),
    "log_in": ("Log in", "登录"),
    "log_out": ("Log out", "退出"),
    "operator": ("operator", "操作员"),
    "quality": ("quality", "质量"),
    "maintenance": ("maintenance", "维修"),
    "yes": ("Yes", "是"),
    "no": ("No", "否"),
    "close": ("Close", "关闭"),
    "for_role": ("For {role}. Log in to use it.", "需要{role}权限，请登录。"),
    "only_role": ("For {role} only.", "仅限{role}。"),
    # What is shown is old
    "lost": (
        "No connection to the inspection PC. What you see is old. The PLC rejects by itself while it has no verdict.",
        "与检测电脑的连接中断。所见为旧数据。没有判定时，PLC 会自行剔除。",
    ),
    "hung": (
        "The daemon's supervisor does not respond. Parts are judged on; state and alarms are old, commands fail.",
        "守护进程的监控程序无响应。检测继续进行；状态和报警为旧数据，命令无效。",
    ),
    "bypass": (
        "Bypass is on at the PLC: parts go on whatever their verdict. They are recorded as bypassed.",
        "PLC 旁路已开启：产品不按判定，一律放行，并记录为旁路。",
    ),
    "hung_age": ("It last moved {s} s ago.", "最后活动于 {s} 秒前。"),
    "lost_age": (
        "Last data {s} s ago, at {at}. This page comes back by itself.",
        "最后数据：{s} 秒前（{at}）。恢复后页面自动更新。",
    ),
    # The line and its stages
    "line": ("Line", "产线"),
    "camera": ("Camera", "相机"),
    "cameras": ("Cameras", "相机"),
    "engine": ("Engine", "检测引擎"),
    "plc": ("PLC", "PLC"),
    "recorder": ("Records", "记录"),
    "ready": ("READY", "就绪"),
    "not_ready": ("NOT READY", "未就绪"),
    "STARTING": ("Starting", "启动中"),
    "RUNNING": ("Running", "运行"),
    "RECOVERING": ("Recovering", "恢复中"),
    "FAULTED": ("Faulted", "故障"),
    "STOPPING": ("Stopping", "停止中"),
    "DOWN": ("Off", "未运行"),
    "READY": ("Ready", "就绪"),
    "LOST": ("Lost", "丢失"),
    "REFUSED": ("Refused", "被拒绝"),
    "CHANGEOVER": ("Changing over", "换型中"),
    "stop_asked": ("Stop asked", "请求停线"),
    "line_stands": ("PLC: line stands", "PLC：产线停止"),
    "forced": ("Coils forced", "线圈强制中"),
    "bypassed": ("Bypass on", "旁路开启"),
    "no_picture": ("No picture", "无图像"),
    "no_template": ("No template", "无模板"),
    "some_of": ("{good} of {all}", "{all} 台中 {good} 台"),
    "no_link": ("No connection", "无连接"),
    "linked": ("Connected", "已连接"),
    "plc_refuses": ("Refuses requests", "拒绝请求"),
    "plc_frozen": ("Program does not move", "程序不动"),
    "NOT_PROVEN": ("Not proven by golden parts", "未被标准件证明"),
    "PROVEN": ("Proven by golden parts", "已由标准件证明"),
    "ACCEPTED": ("Not proven, accepted", "未证明，已有人保证"),
    "UPGRADED": ("Not proven, for a while after the upgrade", "未证明，更新后一定时间内允许"),
    "proof": ("Proof of the product", "产品证明"),
    "proof_parts": ("{good} good and {bad} bad golden parts", "标准件：良品 {good} 个，不良品 {bad} 个"),
    "golden_failed": ("Golden part failed", "标准件未通过"),
    "recorder_ok": ("Kept", "正常"),
    "recorder_off": ("Not kept", "未启用"),
    "recorder_down": ("Does not run", "未运行"),
    "recorder_disk_full": ("Disk full", "磁盘已满"),
    "recorder_slow": ("Too slow", "写入过慢"),
    "recorder_failed": ("Failed", "故障"),
    "notices": ("Notices", "报警发送"),
    "notices_ok": ("Go out", "正常"),
    "notices_down": ("Not running", "未运行"),
    "notices_stuck": ("Not delivered", "未送达"),
    # The part
    "PASS": ("PASS", "合格"),
    "REJECT": ("REJECT", "不良"),
    "board": ("Board", "产品"),
    "template": ("Golden template", "标准模板"),
    "part": ("Part {number}", "第 {number} 件"),
    "waiting": ("Waiting for the first part", "等待第一件产品"),
    "and_more": ("and {count} more", "另有 {count} 处"),
    "NONE": ("Good", "合格"),
    "DEFECT": ("Defect", "缺陷"),
    "LATE": ("Verdict late", "判定超时"),
    "NO_IMAGE": ("No picture came", "未收到图像"),
    "INCOMPLETE": ("Picture incomplete", "图像不完整"),
    "OVERRUN": ("Came too fast, not judged", "来件过快，未判定"),
    "ENGINE_FAULT": ("Engine failed", "检测引擎故障"),
    "OPTICS": ("Picture too dark, bright or flat", "图像过暗、过亮或反差过低"),
    "NO_RECIPE": ("No recipe", "无配方"),
    "NOT_READY": ("Line not ready", "产线未就绪"),
    "REGISTRATION": ("Board not found in place", "产品定位失败"),
    "show_all": ("All parts", "全部"),
    "show_rejects": ("Rejects", "仅不良"),
    "show_hold": ("Hold", "定格"),
    "zoom_in": ("Zoom in", "放大"),
    "zoom_out": ("Zoom out", "缩小"),
    "zoom_fit": ("Whole", "全图"),
    "picture_gone": ("No picture of this part", "本件没有图像"),
    # Figures
    "this_shift": ("This shift, since {since}", "本班，自 {since} 起"),
    "since_start": ("Since the start", "启动以来"),
    "parts": ("Parts", "总数"),
    "passed": ("Passed", "合格"),
    "rejected": ("Rejected", "不良"),
    "yield": ("Yield", "良率"),
    "pareto": ("Rejects by class", "不良分类"),
    "false_calls": ("false calls", "误判"),
    "no_rejects": ("No rejects", "无不良"),
    "per_hour": ("Rejects per hour", "每小时不良数"),
    "last_parts": ("Last {count} parts", "最近 {count} 件"),
    "in_a_row": ("{count} rejects in a row", "连续 {count} 件不良"),
    "latency": ("Trigger to verdict at the PLC, last 2 min, ms", "触发到 PLC 收到判定，最近 2 分钟，毫秒"),
    "deadline": ("deadline {ms} ms", "时限 {ms} 毫秒"),
    "takt": ("Takt", "节拍"),
    "missed": ("Missed deadlines", "超时"),
    "max": ("max", "最大"),
    "median": ("median", "中位"),
    # Alarms
    "no_alarms": ("No alarms", "无报警"),
    "active_alarms": ("Active alarms", "当前报警"),
    "alarm_history": ("History", "历史"),
    "alarm_count": ("{count} alarms", "{count} 个报警"),
    "one_alarm": ("1 alarm", "1 个报警"),
    "remedy": ("What to do", "处理方法"),
    "acknowledge": ("Acknowledge", "确认"),
    "acknowledge_all": ("Acknowledge all", "全部确认"),
    "reset": ("Reset", "复位"),
    "reset_sure": (
        "Reset the line? The cause must have been found and mended.",
        "确定复位产线吗？须已查明并排除原因。",
    ),
    "reset_note": (
        "Reset lifts a stop and starts again what was given up. After a fault, or while the model is not trusted, "
        "it is for maintenance: the cause lies in the machine.",
        "复位用于解除停线，并重新启动已放弃的部分。发生故障或模型不可信时，仅限维修人员：原因在设备本身。",
    ),
    "HIGH": ("high", "高"),
    "MEDIUM": ("medium", "中"),
    "LOW": ("low", "低"),
    "normal": ("normal", "正常"),
    "unacknowledged": ("not acknowledged", "未确认"),
    "acknowledged": ("acknowledged", "已确认"),
    "returned, unacknowledged": ("gone, not acknowledged", "已消失，未确认"),
    "latched, unacknowledged": ("gone, needs reset", "已消失，需复位"),
    "latched, acknowledged": ("acknowledged, needs reset", "已确认，需复位"),
    "acknowledged, reset": ("reset, ends soon", "已复位，即将解除"),
    "time": ("Time", "时间"),
    "alarm": ("Alarm", "报警"),
    "state": ("State", "状态"),
    "detail": ("Detail", "详情"),
    "by": ("By", "操作人"),
    "no_history": ("Nothing has happened yet", "尚无记录"),
    "older": ("Older", "更早"),
    "newest": ("Newest", "最新"),
    # Rejects
    "real_defect": ("Real defect", "真缺陷"),
    "false_call": ("False call", "误判"),
    "only_unreviewed": ("Not reviewed", "未复判"),
    "all_rejects": ("All", "全部"),
    "newer": ("Show {count} new", "显示 {count} 件新的"),
    "reviewed_by": ("by {who}", "复判人 {who}"),
    "unreviewed": ("not reviewed", "未复判"),
    "no_records": (
        "No records are kept: line.toml has no [recorder]. Rejects are shown on the first page alone.",
        "未保存记录：line.toml 中没有 [recorder]。不良品仅在首页显示。",
    ),
    "records_problem": ("The records cannot be read:", "无法读取记录："),
    # Report
    "shift": ("Shift", "班次"),
    "running": ("running", "进行中"),
    "print": ("Print", "打印"),
    "csv": ("CSV", "CSV"),
    "false_call_rate": ("False-call rate", "误判率"),
    "false_call_share": (
        "{false} of {reviewed} reviewed, {open} not reviewed",
        "已复判 {reviewed} 件中 {false} 件，未复判 {open} 件",
    ),
    "stops": ("Stops", "停线"),
    "no_stops": ("The line did not stop", "产线未停"),
    "begin": ("Begin", "开始"),
    "duration": ("Duration", "时长"),
    "cause": ("Cause", "原因"),
    "count": ("Count", "次数"),
    "lost_parts": ("Parts without a record", "无记录的件数"),
    "class": ("Class", "类别"),
    "hour": ("Hour", "时段"),
    "total": ("Total", "合计"),
    "recipes": ("Recipes", "配方"),
    "latency_report": ("Frame to verdict at the PLC", "图像到 PLC 收到判定"),
    "undelivered": ("Not delivered", "未送达"),
    # Recipe
    "current": ("in use", "使用中"),
    "change_over": ("Change over", "换产"),
    "change_sure": ("Change over to {name} (no. {id})?", "确定换产到 {name}（编号 {id}）吗？"),
    "reload": ("Reload the files", "重新加载文件"),
    "reload_note": (
        "Reads line.toml and all recipes, checks them, and takes all of it or nothing. The line runs on.",
        "读取 line.toml 和全部配方并检查，要么全部生效，要么全部不生效。产线继续运行。",
    ),
    "working": ("Working …", "处理中 …"),
    "files_wrong": (
        "The files on the disk are not right. The line runs on with what it has:",
        "磁盘上的文件有误。产线继续使用现有配置：",
    ),
    "bundle": ("Model bundle", "模型包"),
    "number": ("No.", "编号"),
    # Commissioning
    "coil_map": ("Coils, as the PLC has confirmed them", "线圈（PLC 已回读确认）"),
    "force": ("Force coils", "强制线圈"),
    "force_note": (
        "Only while the line stands. Choose coils, then hold: they are written for as long as you hold, "
        "and let go by themselves within 2 s.",
        "仅在产线停止时可用。先选线圈，再按住：按住期间写入，松开后 2 秒内自动恢复。",
    ),
    "hold": ("Hold to force", "按住强制"),
    "link": ("PLC link", "PLC 连接"),
    "round_trip": ("Round trip", "往返时间"),
    "heartbeats": ("Heartbeats", "心跳次数"),
    "reconnects": ("Reconnects", "重连次数"),
    "address": ("Address", "地址"),
    "goes_to": ("Connects to", "连接到"),
    "unresolved": ("no address is known", "尚无地址"),
    "one_of": ("{address}, one of {of} addresses", "{address}（{of} 个地址之一）"),
    "maps": ("For the PLC program", "PLC 程序资料"),
    "map_csv": ("Map as CSV", "地址表 CSV"),
    "map_registers_st": ("Structured text, registers alone", "结构化文本，仅 FC16"),
    "map_st": ("IEC 61131-3 structured text", "IEC 61131-3 结构化文本"),
    "maps_note": (
        "Made from the tables that the daemon itself writes by. The program ejects whatever is not proven good. "
        "Set TRAVEL_MIN and TRAVEL_MAX in it.",
        "由守护进程自身使用的地址表生成。程序剔除一切未证实合格的产品。请在程序内设置 TRAVEL_MIN，TRAVEL_MAX。",
    ),
    "on": ("1", "1"),
    "off": ("0", "0"),
    "wire_word": ("Word", "字"),
    # Help
    "version": ("Version", "版本"),
    "config_file": ("Configuration", "配置文件"),
    "run_id": ("Run", "运行编号"),
    "not_found": ("not readable: {why}", "无法读取：{why}"),
    "signs": ("What the signs mean", "符号含义"),
    "sign_good": ("As it should be. Gray: nothing needs you.", "正常。灰色：无需处理。"),
    "sign_wait": ("On its way: starting, or coming back by itself.", "进行中：启动或自动恢复。"),
    "sign_bad": ("Wrong. The alarm beside it says what to do.", "异常。旁边的报警说明处理方法。"),
    "sign_high": ("Alarm, high: act now.", "高级报警：立即处理。"),
    "sign_medium": ("Alarm, medium: act soon.", "中级报警：尽快处理。"),
    "sign_low": ("Alarm, low: within the shift.", "低级报警：本班内处理。"),
    "strip_help": (
        "In the strip of parts a low stroke is a good part, a tall one with a cross a reject, "
        "a tall one with a square a part that was not judged.",
        "最近产品图中：短线为合格，带叉长线为不良，带方块长线为未判定。",
    ),
    "grayed": (
        "Grayed, with an age in seconds: old data. The banner says why.",
        "变灰并标有秒数：旧数据。横幅说明原因。",
    ),
    "about": ("About this line", "关于本产线"),
    # Why an action was refused
    "denied_LOGIN": ("Log in first; your login may have ended.", "请先登录；登录可能已过期。"),
    "denied_ROLE": ("Your role may not do that.", "您的权限不允许此操作。"),
    "denied_CREDENTIALS": ("Wrong user name or password.", "用户名或密码错误。"),
    "denied_TOO_OFTEN": ("Too often. Wait {s} s.", "操作过于频繁，请等待 {s} 秒。"),
    "denied_CSRF": ("This page is older than the login. Load it again.", "页面早于登录，请刷新。"),
    "denied_ORIGIN": ("The request came from another site.", "请求来自其他网站。"),
    "denied_INPUT": ("That was not understood: {why}", "无法识别：{why}"),
    "denied_STATE": ("Not now: {why}", "当前不可：{why}"),
    "denied_UNREACHABLE": ("The daemon does not answer.", "守护进程无应答。"),
    "done_acknowledge": ("Acknowledged.", "已确认。"),
    "done_reset": ("Reset. The line starts again.", "已复位，产线重新启动。"),
    "done_reload": ("Reloaded: {what}", "已重新加载：{what}"),
    "nothing_changed": ("nothing had changed", "无变化"),
    "done_recipe": ("Changing over.", "正在换产。"),
    "done_defect": ("Kept: real defect.", "已记录：真缺陷。"),
    "done_false_call": ("Kept: false call.", "已记录：误判。"),
}  # fmt: skip

ALARMS_ZH: Final[Mapping[Alarm, tuple[str, str]]] = {
    Alarm.CAMERA_LOST: ("相机无图像", "检查相机的线缆、电源和触发。相机会自动重新打开，随后恢复就绪。"),
    Alarm.ENGINE_FAULT: ("检测引擎故障", "会自动重新启动。若再次出现，请重启电脑；仍不行则带日志联系维修。"),
    Alarm.GOLDEN_FAILED: ("标准件判定错误", "模型不可信，产线未就绪。请换回原模型包，或重新生成本模型包。"),
    Alarm.PLC_LINK: ("与 PLC 无连接", "检查网线和 PLC。会自动重连；在此之前 PLC 一律剔除。"),
    Alarm.STOP_RULE: ("不良品过多：请求停线", "查明工艺原因（网板、刀具、供料器、治具脏污），排除后复位。"),
    Alarm.RECORDER_DISK: ("记录或图像正在丢失", "检测照常进行。请清理或更换记录磁盘。"),
    Alarm.RESTART_BUDGET: ("某程序多次失败：产线故障", "从日志查明原因，排除后复位。"),
    Alarm.OVERRUN: ("来件快于判定", "这些产品已剔除。请将产线降到额定节拍，或联系维修。"),
    Alarm.OPTICS: ("图像过暗、过亮或模糊", "清洁镜头和光源，检查曝光和对焦。"),
    Alarm.CONFIG_REFUSED: ("修改后的配置被拒绝", "产线继续使用旧配置。日志写明文件、键和值；改正后重新加载。"),
    Alarm.REALTIME_REFUSED: ("系统未给予实时优先级", "判定可能超时，超时产品会被剔除。请以 systemd 服务方式启动。"),
    Alarm.DEADLINE_MISSED: ("有产品因判定超时被剔除", "若反复出现：可能有其他程序占用电脑，或模型对此节拍过慢。"),
    Alarm.STAGE_LOST: ("程序的一部分已停止", "会自动重新启动；在此之前产品一律剔除。若反复出现，请联系维修。"),
    Alarm.PLC_BEHIND: ("PLC 程序未接收判定", "检查 PLC 程序是否运行，以及其对结果序号的应答（result_ack）。"),
    Alarm.PRODUCT_DIFFERS: (
        "使用中的产品与要求的不一致",
        "核对显示的产品与线上的产品，然后换产：在 PLC 上、在本页面或用命令。",
    ),
    Alarm.PLC_REFUSED: (
        "PLC 拒绝请求",
        "将 line.toml 中的地址和站号与 PLC 的核对。详情写明请求、地址和原因。",
    ),
    Alarm.PLC_FROZEN: (
        "PLC 有应答，其程序不动",
        "检查 PLC 是否处于 RUN 状态，其心跳位是否变化。心跳位恢复变化后，产线重新就绪。",
    ),
    Alarm.REJECT_UNCONFIRMED: (
        "不良品未确认已剔除",
        "查明详情中的产品并取出。检查剔除机构及其信号，然后复位。",
    ),
    Alarm.PLC_BYPASS: (
        "PLC 旁路已开启：不良品会放行",
        "产品照常判定，并记录为旁路。正式生产前，请在 PLC 上关闭旁路。",
    ),
    Alarm.NOT_PROVEN: (
        "本产品未被自身标准件证明",
        "加入良品和不良品标准件：aoi-daemon golden add，然后 aoi-daemon reload。详情写明原因。",
    ),
    Alarm.FRAME_SIZE: (
        "相机图像大小与产品不符",
        "这些产品一律剔除。请将相机设为详情中的大小，或换成正确的产品。",
    ),
    Alarm.CAMERA_CLOCK: (
        "相机时钟与其说明不符",
        "检测继续：以图像到达时间计时。检查 cameras.sensor_to_frame_ms 以及相机的时钟和 PTP 设置；详情写明频率。",
    ),
    Alarm.CLOCK_DOUBT: (
        "电脑时钟不可信",
        "记录继续，旧记录不会清理。请设定时钟或查时间服务，然后确认：aoi-daemon clock --confirm。"
        "时间服务正确一小时后自动解除。",
    ),
}
"""Text and remedy of each alarm."""


CLASSES_ZH: Final[Mapping[str, str]] = {
    "open": "开路",
    "short": "短路",
    "mousebite": "缺口",
    "spur": "毛刺",
    "copper": "残铜",
    "pin-hole": "针孔",
    "missing": "缺件",
    "anomaly": "异常",
}
"""Common classes of defect. A bundle may have any; one that is not here is shown as the bundle has it."""


BECAUSE_ZH: Final[Mapping[str, str]] = {
    Event.ALL_READY.value: "各部分就绪",
    Event.STAGE_LOST.value: "某程序退出或无响应",
    Event.BUDGET_SPENT.value: "重启次数用尽",
    Event.RESET.value: "人工复位",
    Event.TERMINATE.value: "服务停止",
}
"""Why the line changed its state."""


class Words:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._index = LANGUAGES.index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, with `values` filled in. Raises KeyError for a key that the catalogue has not."""
        text = TEXTS[key][self._index]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether the catalogue has `key`."""
        return key in TEXTS

    def known(self, key: str) -> str:
        """The text of `key`; the key itself where a newer daemon has a name that this catalogue has not."""
        return TEXTS[key][self._index] if key in TEXTS else key

    def cause(self, name: str) -> str:
        """Why a part was rejected: a class of the bundle, or the name of a reason."""
        if name in Reason.__members__:
            return self(name)
        return CLASSES_ZH.get(name, name) if self.language == "zh" else name

    def because(self, cause: str) -> str:
        """Why the line changed its state, as the daemon's events have it."""
        return BECAUSE_ZH.get(cause, cause) if self.language == "zh" else cause

    def person(self, by: str) -> str:
        """Who acted, as the audit has it, with the role in this language."""
        name, _, role = by.removesuffix(")").rpartition(" (")
        return f"{name} ({self(role)})" if role in ("operator", "quality", "maintenance") else by

    def alarm(self, alarm: Alarm) -> tuple[str, str]:
        """What `alarm` says, and what to do about it."""
        if self.language == "zh" and alarm in ALARMS_ZH:
            return ALARMS_ZH[alarm]
        kind = KINDS[alarm]
        return kind.text, kind.remedy
