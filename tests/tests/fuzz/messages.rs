//! Random messages of any type, by its descriptor: mostly of the right shape, with values that hurt.

use bytes::Bytes;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    Value,
};
use rand::{Rng, rngs::StdRng};

use crate::world::Known;

/// Messages inside messages, at most.
const DEPTH: usize = 7;

/// What requests are about.
const ESSENTIAL: [&str; 20] = [
    "namespace",
    "task_token",
    "workflow_id",
    "activity_id",
    "task_queue",
    "workflow_execution",
    "execution",
    "workflow_type",
    "activity_type",
    "signal_name",
    "request_id",
    "update_id",
    "meta",
    "input",
    "request",
    "query",
    "name",
    "commands",
    "start_to_close_timeout",
    "operations",
];

pub(crate) struct Generator<'a> {
    pub(crate) random: &'a mut StdRng,
    pub(crate) pool: &'a DescriptorPool,
    pub(crate) known: &'a Known,
    /// One value in so many hurts; None: no value does, so that the request goes far.
    pub(crate) hurts: Option<usize>,
}

impl Generator<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'b, T: ?Sized>(&mut self, from: &[&'b T]) -> &'b T {
        from[self.below(from.len())]
    }

    fn hurts(&mut self) -> bool {
        self.hurts.is_some_and(|count| self.one_in(count))
    }

    pub(crate) fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Duration" => self.span(&mut message),
            "google.protobuf.Timestamp" => self.span(&mut message),
            "google.protobuf.Any" => self.any(&mut message, depth),
            _ => {
                for field in descriptor.fields() {
                    if self.is_wanted(&field, depth) {
                        let value = self.field(&field, depth);
                        message.set_field(&field, value);
                    }
                }
                if descriptor.name() == "Command" && self.hurts.is_none() {
                    self.agree(&mut message);
                }
            }
        }
        message
    }

    /// Deep messages are thin. What a request is about is nearly always told, or nothing else would be looked at; where nothing
    /// is to hurt, little else is.
    fn is_wanted(&mut self, field: &FieldDescriptor, depth: usize) -> bool {
        if ESSENTIAL.contains(&field.name()) {
            return !self.one_in(12);
        }
        if depth >= DEPTH && matches!(field.kind(), Kind::Message(_)) {
            return false;
        }
        let share = if self.hurts.is_some() { 6 } else { 3 };
        self.below(10) < share.max(depth) - depth.min(share - 1)
    }

    /// A command's type is that of its attributes, where nothing is to hurt.
    fn agree(&mut self, command: &mut DynamicMessage) {
        let attributes = command.fields().find(|(field, _)| field.name().ends_with("_command_attributes"));
        let Some(name) = attributes.map(|(field, _)| field.name().replace("_command_attributes", "").to_uppercase())
        else {
            return;
        };
        let types = self.pool.get_enum_by_name("temporal.api.enums.v1.CommandType");
        if let Some(value) = types.and_then(|types| types.get_value_by_name(&format!("COMMAND_TYPE_{name}"))) {
            command.set_field_by_name("command_type", Value::EnumNumber(value.number()));
        }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { return Value::Map(Default::default()) };
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let entries = (0..self.length()).map(|_| (self.key(&key), self.single(&value, depth + 1)));
            return Value::Map(entries.collect());
        }
        if field.cardinality() == Cardinality::Repeated {
            let length = self.length();
            return Value::List((0..length).map(|_| self.single(field, depth + 1)).collect());
        }
        self.single(field, depth + 1)
    }

    fn length(&mut self) -> usize {
        if self.one_in(200) { 150 } else { self.below(3) }
    }

    fn key(&mut self, field: &FieldDescriptor) -> MapKey {
        match field.kind() {
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => MapKey::I64(self.integer()),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => MapKey::I32(self.integer() as i32),
            Kind::Bool => MapKey::Bool(self.one_in(2)),
            _ => MapKey::String(self.text(field.name())),
        }
    }

    fn single(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        match field.kind() {
            Kind::Double => Value::F64(self.float()),
            Kind::Float => Value::F32(self.float() as f32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.integer() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.integer()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.integer() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.integer() as u64),
            Kind::Bool => Value::Bool(self.one_in(2)),
            Kind::String => Value::String(self.text(field.name())),
            Kind::Bytes => Value::Bytes(self.bytes(field.name())),
            Kind::Message(descriptor) => Value::Message(self.message(&descriptor, depth)),
            Kind::Enum(descriptor) => Value::EnumNumber(self.number_of(&descriptor)),
        }
    }

    /// Seldom a number that the enum does not know.
    fn number_of(&mut self, descriptor: &EnumDescriptor) -> i32 {
        if self.hurts() {
            return [-1, 99, i32::MAX, i32::MIN][self.below(4)];
        }
        let numbers: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
        numbers[self.below(numbers.len())]
    }

    fn integer(&mut self) -> i64 {
        if self.hurts() {
            return [-1, i64::MAX, i64::MIN, i64::from(i32::MAX)][self.below(4)];
        }
        self.below(8) as i64
    }

    fn float(&mut self) -> f64 {
        if self.hurts() {
            return [0.5, -1.0, f64::NAN, f64::INFINITY, 1e308][self.below(5)];
        }
        [0.0, 1.0, 2.0][self.below(3)]
    }

    fn span(&mut self, message: &mut DynamicMessage) {
        let case = if self.hurts() { self.below(6) } else { 6 };
        let (seconds, nanos) = match case {
            0 => (i64::MAX, 0),
            1 => (-1, 0),
            2 => (1, -1),
            3 => (0, i32::MAX),
            4 => (300 * 365 * 86_400, 999_999_999),
            5 => (i64::MIN, i32::MIN),
            _ => (self.below(100) as i64, 0),
        };
        message.set_field_by_name("seconds", Value::I64(seconds));
        message.set_field_by_name("nanos", Value::I32(nanos));
    }

    fn any(&mut self, message: &mut DynamicMessage, depth: usize) {
        let names =
            ["Acceptance", "Rejection", "Response", "Request"].map(|name| format!("temporal.api.update.v1.{name}"));
        let name = &names[self.below(4)];
        let value = match self.pool.get_message_by_name(name) {
            Some(descriptor) if !self.one_in(5) => prost::Message::encode_to_vec(&self.message(&descriptor, depth + 1)),
            _ => b"\xff\xff\x01garbage".to_vec(),
        };
        message.set_field_by_name("type_url", Value::String(format!("type.googleapis.com/{name}")));
        message.set_field_by_name("value", Value::Bytes(value.into()));
    }

    /// A text that fits the field's name, or one that nobody expects.
    fn text(&mut self, field: &str) -> String {
        let known = self.known;
        if self.hurts() {
            return self.hostile();
        }
        match field {
            "namespace" => {
                self.pick(&[known.namespace.as_str(), &known.namespace, &known.namespace, &known.other]).to_owned()
            }
            "workflow_id" => {
                self.pick(&[known.workflow_id.as_str(), &known.workflow_id, "fuzz-new", "nobody"]).to_owned()
            }
            "run_id" | "first_execution_run_id" | "current_run_id" => self
                .pick(&["", "", known.run_id.as_str(), "0f000000-0000-4000-8000-000000000000", "no-uuid"])
                .to_owned(),
            "name" | "task_queue" | "sticky_task_queue" => self.pick(&["fuzz-queue", "fuzz-other", "n"]).to_owned(),
            "activity_id" => self.pick(&["activity", "other"]).to_owned(),
            "update_id" | "protocol_instance_id" => self.pick(&["update", "other"]).to_owned(),
            "query" => self
                .pick(&[
                    "",
                    "WorkflowId = 'a'",
                    "ExecutionStatus = 'Running' ORDER BY StartTime",
                    "x = ",
                    "'",
                    "a BETWEEN 1",
                ])
                .to_owned(),
            "cron_schedule" => self.pick(&["", "", "* * * * *", "@every 1s", "x"]).to_owned(),
            "request_id" | "identity" => format!("r{}", self.below(1_000_000)),
            "paths" => self.pick(&["start_to_close_timeout", "versioning_override", "no.such.path"]).to_owned(),
            _ => format!("{field}-{}", self.below(4)),
        }
    }

    fn hostile(&mut self) -> String {
        match self.below(40) {
            0 => "x".repeat(1024 * 1024),
            1 | 2 => "x".repeat(1001),
            3 | 4 => "é".repeat(300),
            5..=9 => "a\0b".to_owned(),
            10 | 11 => "'; DROP TABLE runs; --".to_owned(),
            12 | 13 => "../../%2e%2e/${x}%s%n".to_owned(),
            14 | 15 => "\u{feff}\u{202e}\u{1f600}\r\n\t".to_owned(),
            16 | 17 => "/_sys/queue".to_owned(),
            18 | 19 => "temporal-sys-per-ns-tq".to_owned(),
            20 | 21 => "__temporal_reserved".to_owned(),
            22 | 23 => "{\"a\":[".repeat(100),
            24 | 25 => "http://localhost:1/x".to_owned(),
            26 | 27 => "-1".to_owned(),
            _ => String::new(),
        }
    }

    /// Tokens: good ones, good ones of another namespace, good ones with a bit flipped, none, nonsense.
    fn bytes(&mut self, field: &str) -> Bytes {
        let is_token = field.contains("token");
        if !is_token || self.known.tokens.is_empty() || self.hurts() {
            let length = [0, 1, 20, 300][self.below(4)];
            return (0..length).map(|_| self.random.random()).collect::<Vec<u8>>().into();
        }
        let mut token = self.known.tokens[self.below(self.known.tokens.len())].to_vec();
        if self.hurts() {
            let place = self.below(token.len());
            token[place] ^= 1 << self.below(8);
        }
        token.into()
    }

    /// The encoding, sometimes damaged.
    pub(crate) fn body(&mut self, descriptor: &MessageDescriptor) -> Bytes {
        let mut body = match self.below(60) {
            0 => return vec![0xff; 5 * 1024 * 1024].into(),
            1 => return self.nested().into(),
            2 | 3 => (0..self.below(200)).map(|_| self.random.random()).collect(),
            _ => prost::Message::encode_to_vec(&self.message(descriptor, 0)),
        };
        if self.hurts.is_some() && self.one_in(8) && !body.is_empty() {
            let place = self.below(body.len());
            match self.below(3) {
                0 => body.truncate(place),
                1 => body[place] ^= 1 << self.below(8),
                _ => body[place] = 0xff,
            }
        }
        body.into()
    }

    /// A field inside a field inside a field: 20,000 of them.
    fn nested(&mut self) -> Vec<u8> {
        let tag = (self.below(15) as u8 + 1) << 3 | 2;
        let mut body = Vec::new();
        for _ in 0..20_000 {
            let mut outer = vec![tag];
            prost::encoding::encode_varint(body.len() as u64, &mut outer);
            // The inner message is behind its length, so it is built from the inside.
            outer.reverse();
            body.extend(outer);
        }
        body.reverse();
        body
    }
}
