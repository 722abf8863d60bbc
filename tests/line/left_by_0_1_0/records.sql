PRAGMA application_id = 1095715140;
PRAGMA user_version = 1;
CREATE TABLE defects (
    part_id INTEGER NOT NULL REFERENCES parts (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,            -- from 1, worst first
    class TEXT NOT NULL,
    score REAL NOT NULL,
    x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
    PRIMARY KEY (part_id, number)
) WITHOUT ROWID;
INSERT INTO "defects" VALUES(2,1,'copper',0.9325,492.5762,35.2841,549.4583,92.1934);
INSERT INTO "defects" VALUES(2,2,'mousebite',0.9065,100.7376,76.1147,141.8135,111.6412);
INSERT INTO "defects" VALUES(2,3,'pin-hole',0.9042,167.4055,61.3477,206.7937,94.2245);
INSERT INTO "defects" VALUES(2,4,'copper',0.8986,133.3989,131.3057,162.4317,160.7069);
INSERT INTO "defects" VALUES(2,5,'pin-hole',0.8966,503.4555,604.0307,534.538,631.4757);
INSERT INTO "defects" VALUES(2,6,'mousebite',0.8951,338.2931,481.2661,375.4212,521.3434);
INSERT INTO "defects" VALUES(2,7,'mousebite',0.8914,439.0358,467.8055,468.93,497.6563);
INSERT INTO "defects" VALUES(2,8,'short',0.8825,329.7132,389.3326,358.3391,415.7037);
INSERT INTO "defects" VALUES(2,9,'short',0.8764,536.2242,363.9223,563.8874,391.2115);
INSERT INTO "defects" VALUES(8,1,'mousebite',0.9154,455.5145,61.2738,498.4546,102.0426);
INSERT INTO "defects" VALUES(8,2,'pin-hole',0.9132,89.3678,552.5159,131.6862,593.5051);
INSERT INTO "defects" VALUES(8,3,'copper',0.9073,55.5516,119.52,93.9597,156.5206);
INSERT INTO "defects" VALUES(8,4,'open',0.8936,300.0511,129.2759,340.9672,172.0861);
INSERT INTO "defects" VALUES(8,5,'spur',0.8656,233.4873,568.1326,265.7767,601.6848);
INSERT INTO "defects" VALUES(8,6,'open',0.8166,32.4737,338.4754,69.1378,366.7431);
INSERT INTO "defects" VALUES(9,1,'pin-hole',0.9298,294.5346,53.5018,347.0757,105.8405);
INSERT INTO "defects" VALUES(9,2,'mousebite',0.9079,530.2056,340.1694,565.4558,377.7182);
INSERT INTO "defects" VALUES(9,3,'pin-hole',0.9052,62.0319,224.5055,96.3726,256.3763);
INSERT INTO "defects" VALUES(9,4,'copper',0.9046,341.1593,563.1495,371.7749,595.6198);
INSERT INTO "defects" VALUES(9,5,'spur',0.8974,99.1201,80.4197,130.7513,113.002);
INSERT INTO "defects" VALUES(9,6,'open',0.8858,135.8644,224.2088,192.4521,314.2976);
INSERT INTO "defects" VALUES(9,7,'mousebite',0.8818,321.2317,178.3196,348.009,206.8278);
INSERT INTO "defects" VALUES(9,8,'spur',0.8766,278.2737,120.0494,304.8849,150.0438);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    number INTEGER NOT NULL,            -- counts from 1 in its run
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL                  -- JSON object
);
INSERT INTO "events" VALUES(1,1,1,1.79582679822646427156e+09,'line','{"was": "STARTING", "now": "RUNNING", "because": "all stages are ready"}');
INSERT INTO "events" VALUES(2,1,2,1.7958268001810545921e+09,'audit','{"what": "recipe", "by": "root", "via": "command", "ok": true, "detail": "recipe 2 second is in use", "changes": [{"key": "product", "was": "demo", "now": "second"}]}');
INSERT INTO "events" VALUES(3,1,3,1.79582680048333978651e+09,'alarm','{"name": "CAMERA_LOST", "was": "normal", "state": "unacknowledged", "event": "the condition came", "priority": "HIGH", "detail": "", "by": ""}');
INSERT INTO "events" VALUES(4,1,4,1.79582680069385838515e+09,'alarm','{"name": "CAMERA_LOST", "was": "unacknowledged", "state": "returned, unacknowledged", "event": "the condition went", "priority": "HIGH", "detail": "", "by": ""}');
INSERT INTO "events" VALUES(5,1,5,1.79582680170163440707e+09,'alarm','{"name": "CAMERA_LOST", "was": "returned, unacknowledged", "state": "unacknowledged", "event": "the condition came", "priority": "HIGH", "detail": "", "by": ""}');
INSERT INTO "events" VALUES(6,1,6,1.79582680213922214512e+09,'alarm','{"name": "CAMERA_LOST", "was": "unacknowledged", "state": "returned, unacknowledged", "event": "the condition went", "priority": "HIGH", "detail": "", "by": ""}');
INSERT INTO "events" VALUES(7,1,7,1.79582680233320426945e+09,'line','{"was": "RUNNING", "now": "STOPPING", "because": "the service is asked to stop"}');
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    what TEXT NOT NULL CHECK (what IN ('rows', 'images')),
    first_part INTEGER NOT NULL,
    last_part INTEGER NOT NULL,
    parts INTEGER NOT NULL,             -- how many of them
    at REAL NOT NULL,
    why TEXT NOT NULL
);
INSERT INTO "gaps" VALUES(1,1,'images',2,2,1,1.79582679846710371969e+09,'the recorder was not there yet');
CREATE TABLE images (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    part_id INTEGER REFERENCES parts (id) ON DELETE SET NULL,
    around_id INTEGER REFERENCES parts (id) ON DELETE SET NULL, -- 'around': the part with the fault
    at REAL NOT NULL,
    camera TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('frame', 'template', 'context')),
    why TEXT NOT NULL CHECK (why IN ('reject', 'fault', 'sample', 'around')),
    cause TEXT NOT NULL,                -- 'around': the fault's reason, or the alarm
    file TEXT NOT NULL,                 -- relative to the records folder
    bytes INTEGER NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL
);
INSERT INTO "images" VALUES(1,8,NULL,1.79582679906519532197e+09,'top','frame','reject','','images/2026-11-28/00/5fa4fe87-00000008-top.png',20739,640,640);
INSERT INTO "images" VALUES(2,8,NULL,1.79582679906519532197e+09,'top','template','reject','','templates/8adddd50c13408e29af07155be82d7ee.png',20512,640,640);
INSERT INTO "images" VALUES(3,9,NULL,1.79582679916577696798e+09,'top','frame','reject','','images/2026-11-28/00/5fa4fe87-00000009-top.png',9250,640,640);
INSERT INTO "images" VALUES(4,9,NULL,1.79582679916577696798e+09,'top','template','reject','','templates/b9ccfeda77fa9bb336b916b0603ec3c7.png',8810,640,640);
INSERT INTO "images" VALUES(5,10,NULL,1.79582679923169302943e+09,'top','context','around','alarm CAMERA_LOST','images/2026-11-28/00/5fa4fe87-00000010-top.png',21824,640,640);
INSERT INTO "images" VALUES(6,10,NULL,1.79582679923169302943e+09,'top','template','around','alarm CAMERA_LOST','templates/16a41a2d485b541b8e639db44a201c60.png',20679,640,640);
INSERT INTO "images" VALUES(7,11,NULL,1.79582679933159136773e+09,'top','context','around','alarm CAMERA_LOST','images/2026-11-28/00/5fa4fe87-00000011-top.png',7047,640,640);
INSERT INTO "images" VALUES(8,11,NULL,1.79582679933159136773e+09,'top','template','around','alarm CAMERA_LOST','templates/7a5cc63433594d12eefeebad6d52c900.png',6259,640,640);
INSERT INTO "images" VALUES(9,12,NULL,1.79582679943461704253e+09,'top','context','around','alarm CAMERA_LOST','images/2026-11-28/00/5fa4fe87-00000012-top.png',6899,640,640);
INSERT INTO "images" VALUES(10,12,NULL,1.79582679943461704253e+09,'top','template','around','alarm CAMERA_LOST','templates/9816a2712b03ce9cee3ae5be01fe760c.png',6029,640,640);
CREATE TABLE parts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    part INTEGER NOT NULL,              -- counts from 1 in its run
    at REAL NOT NULL,                   -- of the verdict, UTC, Unix seconds; *_ns are CLOCK_MONOTONIC
    camera TEXT NOT NULL,               -- whose view decided
    fov INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    passed INTEGER NOT NULL,
    reason TEXT NOT NULL,
    defect_count INTEGER NOT NULL,
    worst_class TEXT,
    offset_x INTEGER NOT NULL,          -- 0.01 mm
    offset_y INTEGER NOT NULL,
    trigger_ns INTEGER NOT NULL,
    ready_ns INTEGER NOT NULL,
    deadline_ns INTEGER NOT NULL,
    picked_ns INTEGER NOT NULL,
    inferred_ns INTEGER NOT NULL,
    judged_ns INTEGER NOT NULL,
    sent_ns INTEGER NOT NULL,
    answered_ns INTEGER NOT NULL,
    latency_ms REAL,                    -- NULL: not delivered
    delivered INTEGER NOT NULL,
    missed INTEGER NOT NULL
);
INSERT INTO "parts" VALUES(1,1,1,1.79582679836749887461e+09,'top',0,1,1,1,'NONE',0,NULL,0,0,42319714753073,42319715146421,42319814753073,42319715511392,42319750671229,42319750806360,42319750987208,42319751627207,36.480786,1,0);
INSERT INTO "parts" VALUES(2,1,2,1.79582679846710371969e+09,'top',0,2,1,0,'DEFECT',9,'copper',0,0,42319814753073,42319815171527,42319914753073,42319815551341,42319849807888,42319850416847,42319850592056,42319851269175,36.097648,1,0);
INSERT INTO "parts" VALUES(3,1,3,1.79582679856547498698e+09,'top',0,3,1,1,'NONE',0,NULL,0,0,42319914753073,42319915095214,42320014753073,42319915282151,42319948652795,42319948777389,42319948963460,42319949562634,34.46742,1,0);
INSERT INTO "parts" VALUES(4,1,4,1.79582679866628599162e+09,'top',0,4,1,1,'NONE',0,NULL,0,0,42320014753073,42320015108778,42320114753073,42320015301264,42320049406317,42320049570390,42320049774507,42320050419840,35.311062,1,0);
INSERT INTO "parts" VALUES(5,1,5,1.79582679876514530181e+09,'top',0,5,1,1,'NONE',0,NULL,0,0,42320114753073,42320115084867,42320214753073,42320115357241,42320148319850,42320148445296,42320148633730,42320149222563,34.137696,1,0);
INSERT INTO "parts" VALUES(6,1,6,1.79582679886614871023e+09,'top',0,6,1,1,'NONE',0,NULL,0,0,42320214753073,42320215138682,42320314753073,42320215337517,42320249317338,42320249444737,42320249637133,42320250222150,35.083468,1,0);
INSERT INTO "parts" VALUES(7,1,7,1.79582679896511697775e+09,'top',0,7,1,1,'NONE',0,NULL,0,0,42320314753073,42320315137044,42320414753073,42320315402112,42320348284711,42320348413452,42320348605462,42320349179904,34.04286,1,0);
INSERT INTO "parts" VALUES(8,1,8,1.79582679906519532197e+09,'top',0,8,1,0,'DEFECT',6,'mousebite',0,0,42320414753073,42320415172335,42320514753073,42320415374265,42320448194567,42320448488924,42320448683793,42320449284388,34.112053,1,0);
INSERT INTO "parts" VALUES(9,1,9,1.79582679916577696798e+09,'top',0,9,1,0,'DEFECT',8,'pin-hole',0,0,42320514753073,42320515130293,42320614753073,42320515313204,42320548762749,42320549068563,42320549265445,42320549916005,34.785712,1,0);
INSERT INTO "parts" VALUES(10,1,10,1.79582679926876306536e+09,'top',0,10,1,1,'NONE',0,NULL,0,0,42320614753073,42320615180456,42320714753073,42320617817953,42320651904439,42320652074160,42320652251378,42320652946013,37.765557,1,0);
INSERT INTO "parts" VALUES(11,1,11,1.79582679936569261551e+09,'top',0,11,1,1,'NONE',0,NULL,0,0,42320714753073,42320715078740,42320814753073,42320715299227,42320748872010,42320748989014,42320749180994,42320749842785,34.764045,1,0);
INSERT INTO "parts" VALUES(12,1,12,1.79582679947110390662e+09,'top',0,12,1,1,'NONE',0,NULL,0,0,42320814753073,42320818104497,42320914753073,42320818464261,42320854275274,42320854401521,42320854592379,42320855293614,37.189117,1,0);
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    recipe_id INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    bundle TEXT NOT NULL,               -- the first 16 hex digits of the manifest's SHA-256; '' for none
    classes TEXT NOT NULL,              -- JSON list in the model's order
    px_per_mm REAL NOT NULL,
    UNIQUE (recipe_id, recipe, bundle, classes, px_per_mm)
);
INSERT INTO "products" VALUES(1,1,'demo','d2bdb42f18285a6a','["open", "short", "mousebite", "spur", "copper", "pin-hole"]',48.0);
CREATE TABLE review_log (
    id INTEGER PRIMARY KEY,
    part_id INTEGER NOT NULL REFERENCES parts (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    verdict TEXT,
    note TEXT NOT NULL
);
CREATE TABLE reviews (
    part_id INTEGER PRIMARY KEY REFERENCES parts (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('defect', 'false_call')),
    note TEXT NOT NULL
);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,           -- 32 hex digits
    line TEXT NOT NULL,
    at REAL NOT NULL                    -- when the recorder first saw it, UTC, Unix seconds
);
INSERT INTO "runs" VALUES(1,'5fa4fe8791424c0996228daa86a4ca7f','line-1',1.79582679948868155486e+09);
CREATE UNIQUE INDEX parts_by_number ON parts (run_id, part);
CREATE INDEX parts_by_time ON parts (at, passed, missed, latency_ms);
CREATE INDEX parts_rejected ON parts (at, reason, worst_class) WHERE passed = 0;
CREATE INDEX images_of_part ON images (part_id) WHERE part_id IS NOT NULL;
CREATE INDEX images_around ON images (around_id) WHERE around_id IS NOT NULL;
CREATE INDEX images_by_time ON images (at);
CREATE INDEX images_of_template ON images (file) WHERE kind = 'template';
CREATE INDEX review_log_of_part ON review_log (part_id);
CREATE UNIQUE INDEX events_by_number ON events (run_id, number);
CREATE INDEX events_by_time ON events (at);
CREATE INDEX gaps_by_time ON gaps (at);
CREATE VIEW part_list AS
SELECT p.id, r.run || '-' || p.part AS uid, r.run, r.line, p.part, p.at, p.camera, p.fov, p.sequence,
       d.recipe_id, d.recipe, d.bundle, d.px_per_mm, p.passed, p.reason, p.defect_count, p.worst_class,
       p.offset_x, p.offset_y, p.trigger_ns, p.ready_ns, p.deadline_ns, p.picked_ns, p.inferred_ns,
       p.judged_ns, p.sent_ns, p.answered_ns, p.latency_ms, p.delivered, p.missed
FROM parts p JOIN runs r ON r.id = p.run_id JOIN products d ON d.id = p.product_id;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('parts',12);
INSERT INTO "sqlite_sequence" VALUES('events',7);
INSERT INTO "sqlite_sequence" VALUES('images',10);
